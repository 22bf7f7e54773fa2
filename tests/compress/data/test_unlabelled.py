"""Texts without labels: every form of file, what is left out, and files that are broken."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdc.compress.data.dataset import Dataset
from kdc.compress.data.unlabelled import load_unlabelled
from kdc.compress.errors import KdcError
from kdc.compress.task import Kind
from tests.tiny import tiny_data

NEW = ["turn it on", "🎉 مرحبا", 'a, b and "c"']


def write(path: Path, columns: dict[str, list[str]]) -> Path:
    """Write a table in the form that the suffix names."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(columns), delimiter="\t,"[path.suffix == ".csv"])
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_tables_of_every_kind(tmp_path: Path, suffix: str, kind: Kind) -> None:
    """Bug: a column of labels is taken for one of texts, or its labels are trained on."""
    data = tiny_data(kind)
    path = write(tmp_path / f"more{suffix}", {"label": ["x"] * 3, "text": NEW})
    found = load_unlabelled(path, data)
    assert found.rows.texts == NEW and found.rows.pairs is None
    assert found.rows.labels.dtype == data.train.labels.dtype
    if kind == "regression":
        assert np.isnan(found.rows.labels).all()
    else:
        assert (found.rows.labels == -100).all()
    assert found.notes == (f"{path} (column text): 3 unlabelled texts",)


def test_a_text_file_is_a_text_a_line(tmp_path: Path) -> None:
    """Bug: blank lines become empty texts, or Windows' line ends parts of texts."""
    path = tmp_path / "more.txt"
    text = "\ufeffturn it on\r\n\r\nturn\tit\u2028off\n"
    path.write_text(text, encoding="utf-8", newline="")
    found = load_unlabelled(path, tiny_data())
    assert found.rows.texts == ["turn it on", "turn\tit\u2028off"]
    assert found.notes == (f"{path}: 2 unlabelled texts, without 1 empty",)


def test_rows_of_dev_and_test_are_dropped_and_counted(tmp_path: Path) -> None:
    """Bug: the teacher's answers to what is measured are trained on, and the score means less."""
    data = tiny_data()
    assert data.test is not None
    inside = [data.train.texts[0], data.dev.texts[0].upper(), f"  {data.dev.texts[1]} "]
    inside += [data.test.texts[3].replace(" ", "  "), data.test.texts[5]]
    path = tmp_path / "more.txt"
    path.write_text("\n".join([*inside, "new one", "NEW  one", "another"]))
    found = load_unlabelled(path, data)
    assert found.rows.texts == ["new one", "another"]
    without = "2 of dev, 2 of test, 1 of train, 1 repeated"
    assert found.notes == (f"{path}: 2 unlabelled texts, without {without}",)


def pairs() -> Dataset:
    return tiny_data(pair=True)


def test_pairs_are_the_same_only_as_pairs(tmp_path: Path) -> None:
    """Bug: a pair of dev with its texts the other way round counts as new, or as the same."""
    data = pairs()
    assert data.dev.pairs is not None
    one, other = data.dev.texts[0], data.dev.pairs[0]
    columns = {"sentence1": [one, other, one], "sentence2": [other, one, "new"]}
    found = load_unlabelled(write(tmp_path / "more.tsv", columns), data)
    assert found.rows.texts == [other, one] and found.rows.pairs == [one, "new"]


def test_the_users_columns_where_the_file_has_them(tmp_path: Path) -> None:
    """Bug: --text names a column of the labelled table only, and the file is refused."""
    own = write(tmp_path / "own.csv", {"text": ["no"], "said": ["yes"]})
    assert load_unlabelled(own, tiny_data(), text="said").rows.texts == ["yes"]
    usual = write(tmp_path / "usual.csv", {"id": ["1"], "text": ["yes"]})
    assert load_unlabelled(usual, tiny_data(), text="said").rows.texts == ["yes"]
    only = write(tmp_path / "only.csv", {"whatever": ["yes"]})
    assert load_unlabelled(only, tiny_data()).rows.texts == ["yes"]
    both = write(tmp_path / "both.csv", {"left": ["a"], "right": ["b"]})
    found = load_unlabelled(both, pairs(), text="left", pair="right")
    assert (found.rows.texts, found.rows.pairs) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("name", "content", "pair", "message"),
    [
        ("a.txt", b"", False, "has no row that train, dev and test do not have"),
        ("a.txt", b"\n \n", False, "has no row that train, dev and test do not have"),
        ("a.txt", b"one\ntwo\0\n", False, "line 2 holds a NUL byte"),
        ("a.txt", b"one\n\xff\n", False, "line 2 is not UTF-8"),
        ("a.txt", b"one\n" + b"x" * 100_001, False, "line 2: the text has 100,001 characters"),
        ("a.txt", b"one\n", True, "is about pairs: give a table with two columns"),
        ("a.csv", b"text\none\n", True, "does not hold pairs of texts, as tiny does"),
        ("a.csv", b"sentence1,sentence2\na,b\n", False, "does not hold single texts"),
        ("a.csv", b"", False, "is empty"),
        ("a.csv", b"id,other\n1,2\n", False, "no column of a usual name for the text"),
        ("a.csv", b"text,id\none\n", False, "line 2 has 1 field,"),
        ("a.jsonl", b'{"text": null}\n', False, "'text' is missing"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', False, "half a surrogate pair"),
        ("a.parquet", b"PAR1", False, "is no readable Parquet file"),
        ("a.docx", b"PK", False, "name one that ends in .txt, .csv"),
        ("b/a.txt", None, False, "cannot read"),
        ("b/a.csv", None, False, "there is no file"),
    ],
)
def test_bad_files_are_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, pair: bool, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(KdcError, match=message) as error:
        load_unlabelled(tmp_path / name, pairs() if pair else tiny_data())
    assert "\n" not in str(error.value)


def test_data_without_a_test_split(tmp_path: Path) -> None:
    path = tmp_path / "more.txt"
    path.write_text("new one\n")
    assert len(load_unlabelled(path, replace(tiny_data(), test=None)).rows) == 1
