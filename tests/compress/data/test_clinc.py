import json
from pathlib import Path

import pytest

from kdc.compress.data.clinc import read_clinc
from kdc.compress.errors import KdcError


def _write(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "data_full.json"
    path.write_text(json.dumps(value))
    return path


def test_out_of_scope_texts_join_their_split(tmp_path: Path) -> None:
    """Left apart, a model was never taught to say that it does not know."""
    splits = {
        "oos_test": [["g", "oos"]],
        "val": [["c", "bill"]],
        "train": [["a", "bill"], ["b", "time"]],
        "test": [["d", "time"], ["e", "bill"]],
        "oos_train": [["f", "oos"]],
    }
    parts = read_clinc(_write(tmp_path, splits))
    assert parts.dev is not None and parts.test is not None
    assert list(zip(parts.train.texts, parts.train.labels, strict=True)) == [
        ("a", "bill"),
        ("b", "time"),
        ("f", "oos"),
    ]
    assert (parts.dev.texts, parts.test.texts) == (["c"], ["d", "e", "g"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{"text": "a"}], r"not of CLINC150's form.*\.jsonl"),
        ({"train": []}, "not of CLINC150's form"),
        ({"train": [], "val": []}, r"data_full\.json \(train\) has a header but no rows"),
        ({"train": {}, "val": []}, "'train' is no list"),
        ({"train": [["a", "x"], ["b"]], "val": []}, r"row 2 of 'train' is not \[text, intent\]"),
        ({"train": [["a", "x"], ["b", ""]], "val": []}, r"\(train\), row 2: the label is empty"),
        ({"train": [["a", None]], "val": []}, r"\(train\), row 1: 'intent' is missing"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, value: object, message: str) -> None:
    with pytest.raises(KdcError, match=message):
        read_clinc(_write(tmp_path, value))


@pytest.mark.parametrize("text", ["", '{"train": [', "[" * 100_000])
def test_broken_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data_full.json"
    path.write_text(text)
    with pytest.raises(KdcError, match="is not valid JSON"):
        read_clinc(path)
