from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples, load_examples
from kdc.compress.metrics import Score
from kdc.compress.progress import Silent
from kdc.compress.task import Task
from kdc.export import quality
from kdc.export.devices import DEVICES
from kdc.export.devices.device import Device, Need
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.quality import Rows, answers, compare, cosine, judge
from kdc.export.session import answer, open_session
from kdc.export.ship import Shipped
from tests.onnx_model import by_hand, make_model
from tests.student import LABELS, make_task

RNG = np.random.default_rng(0)
TASK = Task("demo", "classification", ("a", "b", "c"), pair=False, metric="accuracy")
SCORES = Task("demo", "regression", (), pair=True, metric="pearson")


def _examples(labels: Any, pairs: bool = False) -> Examples:  # noqa: ANN401
    rows = [RNG.integers(5, 100, 3 + index % 4) for index in range(len(labels))]
    tokens = np.concatenate(rows).astype(np.int32)
    return Examples(
        tokens=tokens,
        types=np.zeros(len(tokens), dtype=np.uint8),
        lengths=np.array([len(row) for row in rows], dtype=np.int32),
        labels=np.asarray(labels),
        texts=[f"text {index}" for index in range(len(labels))],
        pairs=[f"pair {index}" for index in range(len(labels))] if pairs else None,
    )


def _rows(labels: Any, task: Task = TASK) -> Rows:  # noqa: ANN401
    return Rows(_examples(labels, task.pair), task, "demo dev")


def test_a_device_answers_every_row_alone_and_in_order(tmp_path: Path) -> None:
    """Rows that are asked in parts must come back as if they were asked at once."""
    model, examples = make_model(tmp_path / "model.onnx"), _examples([0] * 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "_AT_ONCE", 3)
        found = answers(model, {}, examples, "host", 1, Silent())
    wanted = [by_hand(*examples.row(index)) for index in range(7)]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_file_that_ships_scores_what_its_manifest_says(shipped: Shipped) -> None:
    """The manifest's score and the bench's are of one file on the same rows."""
    dev = load_examples(shipped.prepared.student.folder / "dev.npz")
    phone = shipped.folder / "onnx" / "model_quantized.onnx"
    session = {"optimization": "basic"}
    logits = answers(phone, session, dev, "host", 1, Silent())
    here = answer(open_session(phone), dev, Silent())
    assert np.abs(logits - here).max() < 1e-4
    rows = Rows(dev, make_task(), "dev")
    assert dev.logits is not None
    other = np.where(np.arange(len(dev))[:, None] % 5 == 0, -dev.logits, dev.logits)
    entry = judge("phone", "host", rows, logits, {"student": other})
    kept = shipped.outcome.shipped.score.as_dict()
    assert {name: entry[name] for name in kept} == kept
    flipped = logits.argmax(axis=1) != other.argmax(axis=1)
    against = entry["against"]["student"]
    assert against["flips"] == int(flipped.sum()) > 0
    assert against["agree"] == pytest.approx(1 - flipped.mean(), abs=1e-6)
    for flip in against["flipped"]:
        index = dev.texts.index(flip["text"])
        assert flip["shipped"] == LABELS[logits[index].argmax()]
        assert flip["other"] == LABELS[other[index].argmax()]
        assert flip["label"] == LABELS[dev.labels[index]]


def test_scores_of_others_are_on_the_same_rows() -> None:
    gold = np.array([0, 1, 2, 0])
    right = np.eye(3, dtype=np.float32)[gold]
    wrong = np.roll(right, 1, axis=1)
    half = np.concatenate([right[:2], wrong[2:]])
    entry = judge("m", "host", _rows(gold), half, {"student": right, "teacher": wrong})
    assert Score.from_dict(entry).value == 0.5 and entry["n"] == 4
    assert entry["student"]["value"] == 1.0 and entry["teacher"]["value"] == 0.0
    assert entry["against"]["student"]["flips"] == 2 and "host" not in entry["against"]


def test_cosines_are_those_of_a_second_formula() -> None:
    ours, theirs = RNG.normal(size=(2, 20, 4)).astype(np.float32)
    wanted = [
        np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))
        for a, b in zip(ours, theirs, strict=True)
    ]
    np.testing.assert_allclose(cosine(ours, theirs), wanted, atol=1e-6)


def test_zeros_have_a_cosine_too() -> None:
    """0 / 0 is no number, which a document could not even hold."""
    zeros, ones = np.zeros((1, 3), dtype=np.float32), np.ones((1, 3), dtype=np.float32)
    assert cosine(zeros, zeros).tolist() == [1.0] and cosine(zeros, ones).tolist() == [0.0]


def test_the_clearest_change_stands_first_and_a_hundred_are_kept() -> None:
    gold = np.zeros(300, dtype=np.int64)
    other = np.tile([0.2, 0.0, 0.0], (300, 1)).astype(np.float32)
    ours = other.copy()
    ours[:, 1] = np.linspace(0.3, 9.0, 300)
    found = compare(_rows(gold), ours, other)
    assert found["flips"] == 300 and found["agree"] == 0.0 and len(found["flipped"]) == 100
    assert [flip["text"] for flip in found["flipped"][:2]] == ["text 299", "text 298"]


def test_a_score_is_flipped_where_it_is_a_tenth_of_the_range_off() -> None:
    """Scores are never equal: without a measure every row would count as flipped."""
    gold = np.array([0.0, 5.0, 2.0, 3.0], dtype=np.float32)  # a tenth of the range is 0.5
    ours = np.array([[0.0], [5.0], [2.0], [3.0]], dtype=np.float32)
    other = ours + np.array([[0.4], [-0.6], [0.49], [0.51]], dtype=np.float32)
    found = compare(_rows(gold, SCORES), ours, other)
    assert found["cosine"] is None
    assert [flip["text"] for flip in found["flipped"]] == ["text 1", "text 3"]
    assert found["flipped"][0] == {
        "text": "text 1",
        "pair": "pair 1",
        "label": 5.0,
        "shipped": 5.0,
        "other": 4.4,
    }


def test_rows_of_several_labels_are_flipped_where_any_label_differs() -> None:
    """Bug: answers of (N, C) compared as if a row had one class, which ends in a traceback."""
    task = Task("demo", "multi-label", ("a", "b"), pair=False, metric="micro_f1")
    gold = np.array([[1, 1], [0, 0], [1, 0]], dtype=np.float32)
    ours = np.array([[2.0, 1.0], [-1.0, -3.0], [3.0, -2.0]], dtype=np.float32)
    other = np.array([[2.0, -1.0], [5.0, -3.0], [3.0, -2.0]], dtype=np.float32)
    found = compare(_rows(gold, task), ours, other)
    assert found["agree"] == pytest.approx(1 / 3, abs=1e-6)
    # 1 / (1 + e^-5) - 1 / (1 + e) is a larger change than that of the first row
    told = [(flip["text"], flip["shipped"], flip["other"]) for flip in found["flipped"]]
    assert told == [("text 1", "none", "a"), ("text 0", "a, b", "a")]
    assert [flip["label"] for flip in found["flipped"]] == ["none", "a, b"]


def test_answers_of_another_task_are_refused() -> None:
    with pytest.raises(KdcError, match=r"teacher gives answers \(2, 5\)"):
        judge("m", "host", _rows([0, 1]), np.zeros((2, 3)), {"teacher": np.zeros((2, 5))})


def _device(logits: list[list[float]]) -> Device:
    def measure(job: Job, address: str) -> Reading:
        raise AssertionError

    def answer_(asked: Asked, address: str) -> Answers:
        assert address == "some:where"
        return Answers(logits, "1.31.1")

    def needs() -> Iterator[Need]:
        yield from ()

    return Device("for a test", measure, answer_, needs)


@pytest.mark.parametrize(
    "logits",
    [[], [[1.0, 2.0]], [[1.0], [1.0, 2.0]], [[1.0], [float("nan")]], [[1.0], [float("inf")]]],
)
def test_a_device_that_answers_nonsense_is_told(
    logits: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few answers would be scored against the wrong labels."""
    monkeypatch.setitem(DEVICES, "odd", _device(logits))
    with pytest.raises(KdcError, match="odd:some:where gives no usable answers to 2 texts"):
        answers(Path("m.onnx"), {}, _examples([0, 1]), "odd:some:where", 1, Silent())


def test_pairs_keep_their_second_text() -> None:
    rows = Rows(replace(_examples([0, 1], pairs=True)), TASK, "demo")
    ours = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    (flip,) = compare(rows, ours, ours[[0, 0]])["flipped"]
    assert flip["pair"] == "pair 1"
