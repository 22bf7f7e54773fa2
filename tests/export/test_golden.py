import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer

from kdc.compress.artifact import read_student
from kdc.compress.errors import GateFailed
from kdc.export.awkward import awkward_texts
from kdc.export.golden import write_golden
from kdc.export.session import Session, open_session
from kdc.export.ship import Shipped
from tests import student
from tests.shipping import export
from tests.student import LABELS, MAX_LENGTH, make_student, make_task, tiny_tokenizer


def golden_of(folder: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    return golden


def replay(folder: Path) -> dict[str, Any]:
    """Answer the golden texts as an app does: with the folder's files and none of our code."""
    (model,) = (folder / "onnx").iterdir()
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    golden = golden_of(folder)
    seconds = golden.get("pairs", [None] * len(golden["texts"]))
    encoded = [tokenizer.encode(*row) for row in zip(golden["texts"], seconds, strict=True)]
    logits = []
    for row in encoded:
        feeds = {"input_ids": row.ids, "attention_mask": row.attention_mask}
        feeds["token_type_ids"] = row.type_ids
        taken = {node.name: np.array([feeds[node.name]]) for node in session.get_inputs()}
        logits.append(session.run(None, taken)[0][0])
    types = [row.type_ids for row in encoded]
    return {"ids": [row.ids for row in encoded], "types": types, "logits": np.stack(logits)}


def test_an_app_that_replays_the_golden_texts_gets_the_same(shipped: Shipped) -> None:
    """Logits taken from another file or in a batch would fail on every device."""
    golden, app = golden_of(shipped.folder), replay(shipped.folder)
    assert list(golden) == ["texts", "input_ids", "logits", "labels", "tolerance"]
    assert golden["tolerance"] == 0.02
    assert app["ids"] == golden["input_ids"]
    np.testing.assert_allclose(app["logits"], golden["logits"], atol=1e-5)
    assert [LABELS[i] for i in app["logits"].argmax(axis=1)] == golden["labels"]


def test_it_has_sixteen_texts_of_the_task_from_every_label(shipped: Shipped) -> None:
    dev = shipped.prepared.dev
    usual = golden_of(shipped.folder)["texts"][:16]
    gold = dict(zip(dev.texts, dev.labels.tolist(), strict=True))
    assert len(set(usual)) == 16
    assert {gold[text] for text in usual} == set(dev.labels.tolist())


def test_no_golden_text_is_longer_than_the_model_reads(shipped: Shipped) -> None:
    lengths = [len(ids) for ids in golden_of(shipped.folder)["input_ids"]]
    assert max(lengths) == MAX_LENGTH
    assert min(lengths) == 2  # the empty text


def test_pairs_carry_second_texts_and_token_types(tmp_path: Path) -> None:
    """Most runtimes have to be told which tokens are the second text."""
    folder = make_student(tmp_path / "student", task=make_task(pair=True))
    export(folder, tmp_path / "phone")
    golden, app = golden_of(tmp_path / "phone"), replay(tmp_path / "phone")
    assert app["ids"] == golden["input_ids"]
    assert app["types"] == golden["token_type_ids"]
    assert {1, 0} == {kind for row in golden["token_type_ids"] for kind in row}
    np.testing.assert_allclose(app["logits"], golden["logits"], atol=1e-5)
    awkward = awkward_texts(MAX_LENGTH)
    assert golden["texts"][16:] == awkward
    assert sorted(golden["pairs"][16:]) == sorted(awkward)


def test_a_regression_is_labelled_with_its_number(tmp_path: Path) -> None:
    folder = make_student(tmp_path / "student", task=make_task("regression"), rows=12)
    done = export(folder, tmp_path / "phone", method="int8-dynamic", max_drop=90)
    assert done.outcome.shipped.parity.agreement is None
    golden = golden_of(tmp_path / "phone")
    assert golden["labels"] == [logits[0] for logits in golden["logits"]]
    assert len(golden["texts"]) == 12 + 4 + len(awkward_texts(MAX_LENGTH))


def test_scores_are_compared_in_units_of_their_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: prices of a hundred thousand differ by more than 0.001 for being float32 alone."""
    make = student.tiny_model

    def dear(*args: Any, **named: Any) -> Any:  # noqa: ANN401
        model = make(*args, **named)
        with torch.no_grad():
            model.classifier.weight.mul_(30_000)
            model.classifier.bias.add_(50_000)
        return model

    monkeypatch.setattr(student, "tiny_model", dear)
    folder = make_student(tmp_path / "student", task=make_task("regression"), rows=40)
    export(folder, tmp_path / "phone", method="int8-dynamic", max_drop=90)
    golden = golden_of(tmp_path / "phone")
    scores = np.array(golden["logits"])
    assert scores.std() > 1000
    assert golden["tolerance"] == pytest.approx(0.02 * scores.std(), rel=0.01)
    assert np.abs(replay(tmp_path / "phone")["logits"] - scores).max() <= golden["tolerance"]


def test_nan_on_an_awkward_text_is_refused(
    student_folder: Path, fp32: Path, tmp_path: Path
) -> None:
    """Dev is all ordinary texts: an overflow on an empty one shows here first."""

    class Broken(Session):
        def run(self, tokens: Any, types: Any) -> Any:  # noqa: ANN401
            return super().run(tokens, types) * (np.nan if len(tokens) == 2 else 1)

    read, good = read_student(student_folder), open_session(fp32)
    broken = Broken(good.path, good.inputs, good.metadata, good._session)
    with pytest.raises(GateFailed, match="NaN"):
        write_golden(tmp_path / "g.json", broken, tiny_tokenizer(), read, read.dev())
    assert not (tmp_path / "g.json").exists()


def test_the_awkward_texts_cover_what_breaks_tokenizers() -> None:
    texts = awkward_texts(64)
    assert len(texts) >= 16
    assert len(set(texts)) == len(texts)
    everything = "".join(texts)
    assert "" in texts
    assert any(text.isspace() for text in texts)
    assert any(len(text) > 4 * 64 and " " not in text.strip() for text in texts)
    assert any(len(text.split()) > 64 for text in texts)
    categories = {unicodedata.category(c) for c in everything}
    assert {"Mn", "Cc", "Cf", "Lo", "Zs", "Zl", "So", "Nd", "Nl", "No"} <= categories
    assert {unicodedata.bidirectional(c) for c in everything} >= {"R", "AL", "RLO"}
    for needed in ("\u200d", "\u0000", "\u0131", "ﬁ", "[SEP]", "https://", "\u3000", "👍🏽"):
        assert needed in everything
    everything.encode("utf-8")  # fails on half of a UTF-16 pair
