import numpy as np
import pytest

from kdc.compress.data.assemble import Parts, assemble, with_metric
from kdc.compress.data.labelled import Labelled
from kdc.compress.data.labels import Known
from kdc.compress.data.same_rows import row_keys
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError
from kdc.compress.task import Kind, Task


def _rows(source: str, labels: list[str], pair: bool = False) -> Labelled:
    texts = [f"{source} {i}" for i in range(len(labels))]
    table = Table(source, ("text", "label"), [texts, labels], range(2, len(labels) + 2))
    return Labelled(table, texts, texts if pair else None, labels)


def test_dev_rows_are_set_aside_and_none_is_lost() -> None:
    rows = _rows("a.csv", ["x", "y"] * 50)
    data = assemble(Parts("a", rows), None)
    assert (len(data.train), len(data.dev), data.test) == (90, 10, None)
    assert sorted(data.train.texts + data.dev.texts) == sorted(rows.texts)
    names = dict(zip(rows.texts, rows.labels, strict=True))
    for split in (data.train, data.dev):
        found = [data.task.labels[number] for number in split.labels]
        assert found == [names[text] for text in split.texts]
    assert data.notes[0] == "10 of 100 rows were set aside as dev rows"
    assert assemble(Parts("a", rows), None).digest() == data.digest()


def test_pairs_stay_together_when_rows_are_set_aside() -> None:
    data = assemble(Parts("a", _rows("a.csv", ["0.5", "1"] * 20, pair=True)), None)
    assert data.task.kind == "regression"
    assert (data.train.pairs, data.dev.pairs) == (data.train.texts, data.dev.texts)
    assert len(data.dev) == 4


def test_rows_of_one_text_are_set_aside_together() -> None:
    """Bug: a table that holds each text twice is judged by what it teaches."""
    texts = [f"{say} {i}" for i in range(50) for say in ("Stop", "stop ")]
    labels = ["x", "x", "y", "y"] * 25
    table = Table("a.csv", ("text", "label"), [texts, labels], range(2, 102))
    data = assemble(Parts("a", Labelled(table, texts, None, labels)), None)
    assert len(data.dev) == 8  # of a class's share of 5 one row is left: no text has but one
    assert not set(row_keys(data.dev)) & set(row_keys(data.train))


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"], ["a", "b", "b"], ["0.5", "1"]])
def test_a_handful_of_rows_cannot_be_split(labels: list[str]) -> None:
    """Classes of one row made the split fail with an index error."""
    with pytest.raises(KdcError, match=r"a\.csv has too few rows .*--dev"):
        assemble(Parts("a", _rows("a.csv", labels)), None)


def test_classes_of_one_row_each_are_told() -> None:
    """Bug: "too few rows of different texts" of fifty rows that all differ."""
    told = r"for each of its 50 classes has one row only: is that the column of labels\? .*--dev"
    with pytest.raises(KdcError, match=told):
        assemble(Parts("a", _rows("a.csv", [f"class {i}" for i in range(50)])), None)
    with pytest.raises(KdcError, match="too few rows of different texts"):
        assemble(Parts("a", _rows("a.csv", ["a", "b", "b"])), None)


def test_single_texts_are_not_judged_by_pairs() -> None:
    single, pairs = _rows("a.csv", ["x", "y"]), _rows("b.csv", ["x", "y"], pair=True)
    for train, dev in ((single, pairs), (pairs, single)):
        with pytest.raises(KdcError, match=r"b\.csv holds pairs of texts, but a\.csv single"):
            assemble(Parts("a", train, dev), None)


@pytest.mark.parametrize(
    ("labels", "own", "wanted", "expected"),
    [
        (["a", "b"], None, None, "accuracy"),
        (["0.5", "1"], None, None, "pearson_spearman"),
        (["a", "b"], "matthews", None, "matthews"),
        (["a", "b"], "matthews", "macro_f1", "macro_f1"),
    ],
)
def test_metric_is_the_users_then_the_sources_then_the_kinds(
    labels: list[str], own: str | None, wanted: str | None, expected: str
) -> None:
    rows = _rows("a.csv", labels)
    assert assemble(Parts("a", rows, rows, metric=own), wanted).task.metric == expected


@pytest.mark.parametrize(
    ("labels", "metric", "message"),
    [
        (("a", "b"), "acuracy", "unknown metric 'acuracy': did you mean accuracy"),
        (("a", "b"), "pearson", "pearson is for regression, but t is classification.*accuracy"),
        ((), "accuracy", "accuracy is for classification, but t is regression.*pearson"),
        (("a", "b", "c"), "f1", "f1 is for two classes, but t has 3: choose macro_f1"),
    ],
)
def test_metric_that_does_not_fit_is_refused(
    labels: tuple[str, ...], metric: str, message: str
) -> None:
    """F1 of class 1 among 150 classes was reported as if it were the task's score."""
    kind: Kind = "classification" if labels else "regression"
    with pytest.raises(KdcError, match=message):
        with_metric(Task("t", kind, labels, False, "accuracy"), metric)


def test_labels_are_numbered_alike_in_every_split() -> None:
    train, dev = _rows("a.csv", ["c", "a", "b"]), _rows("b.csv", ["b", "c"])
    data = assemble(Parts("a", train, dev, test=_rows("c.csv", ["a"])), None)
    assert data.task.labels == ("a", "b", "c")
    assert data.test is not None
    assert np.concatenate([data.train.labels, data.dev.labels, data.test.labels]).tolist() == [
        2, 0, 1, 1, 2, 0,
    ]  # fmt: skip


def test_rows_that_judge_are_all_there_however_few() -> None:
    """Bug: five messages of one class, or three rows, are no test file."""
    known = Known("classification", ("on", "off"))
    data = assemble(Parts("a", _rows("a.csv", ["on"] * 3)), None, known, aside=False)
    assert (len(data.train), len(data.dev), data.task.labels) == (3, 0, ("off", "on"))
    assert not any("dev" in note or "set aside" in note for note in data.notes)


def test_the_same_dev_rows_are_set_aside_to_judge_as_to_teach() -> None:
    """Bug: a model that knows more classes is judged on rows that it has learned."""
    rows = Parts("a", _rows("a.csv", ["c", "e"] * 50))
    known = Known("classification", ("a", "b", "c", "d", "e"))
    assert assemble(rows, None, known).dev.texts == assemble(rows, None).dev.texts


def test_numbers_that_are_taken_for_outputs_are_told() -> None:
    """Bug: data of another task, whose labels are 0 and 1 too, are judged without a word."""
    known = Known("classification", ("on", "off"))
    data = assemble(Parts("a", _rows("a.csv", ["0", "1", "1"])), None, known, aside=False)
    told = "the labels 0, 1, ... are taken for the model's classes in its order: on, off"
    assert told in data.notes
    named = assemble(Parts("a", _rows("a.csv", ["on", "off"])), None, known, aside=False)
    assert not any("taken for" in note for note in named.notes)
