from dataclasses import replace

import numpy as np
import pytest

from kdc.compress.data.labelled import Labelled
from kdc.compress.data.labels import Known, coding_for, coding_of, encode
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError
from kdc.compress.task import Kind


def _rows(*labels: str, source: str = "train.csv") -> Labelled:
    lines = range(2, len(labels) + 2)
    table = Table(source, ("label",), [labels], lines)
    return Labelled(table, ["text"] * len(labels), None, list(labels))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("b", "a", "b"), ("a", "b")),
        (("10", "9", "-1"), ("-1", "9", "10")),
        (("1.0", "0", "1"), ("0", "1")),
        (("007", "7", "10"), ("007", "10", "7")),
        (("-07", "1"), ("-07", "1")),
        (("1_2", "12"), ("12", "1_2")),
        (("nan", "cat"), ("cat", "nan")),
        (("1e3", "2"), ("1e3", "2")),
        (("0.5", "half"), ("0.5", "half")),
        (("1,000", "many"), ("1,000", "many")),
        (("9" * 18, "9" * 17 + "8"), ("9" * 17 + "8", "9" * 18)),
    ],
)
def test_classes_have_one_order(labels: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Sorted as text, 10 stands before 9; through float, `1_2` and long numbers merge."""
    coding = coding_of(_rows(*labels))
    assert (coding.kind, coding.classes) == ("classification", classes)


def test_class_numbers_point_into_the_classes() -> None:
    rows = _rows("b", "a", "c", "a")
    coding = coding_of(rows)
    numbers = encode(rows, coding)
    assert numbers.dtype == np.int64
    assert [coding.classes[number] for number in numbers] == rows.labels


@pytest.mark.parametrize(
    ("odd", "metric"), [("N/A", None), ("-", None), ("N/A", "regression"), ("bad", "regression")]
)
def test_scores_with_a_word_among_them_are_no_classes(odd: str, metric: Kind | None) -> None:
    """Bug: one cell that nobody had filled in made twelve classes of a column of scores."""
    rows = _rows(*(str(number / 2) for number in range(11)), odd)
    with pytest.raises(KdcError, match=f"^train.csv, line 13 has no number but '{odd}', and the"):
        coding_of(rows, metric)
    assert coding_of(rows, "classification").kind == "classification"


def test_words_among_few_numbers_are_classes() -> None:
    """Versions, for instance; whole numbers are the names of classes as often as not."""
    assert coding_of(_rows("1.5", "2.5", "other")).kind == "classification"
    assert coding_of(_rows(*map(str, range(30)), "many")).kind == "classification"
    assert coding_of(_rows("good", "bad", "3"), "regression").kind == "classification"
    codes = [f"0{number}" for number in range(30)] + ["9" * 20, "1e3", "inf"]
    assert coding_of(_rows(*codes, "other")).kind == "classification"


def test_one_fraction_makes_scores() -> None:
    rows = _rows("5.000", "0", "3.8", "1e-1")
    coding = coding_of(rows)
    assert (coding.kind, coding.classes) == ("regression", ())
    scores = encode(rows, coding)
    assert scores.dtype == np.float32
    assert scores.tolist() == pytest.approx([5.0, 0.0, 3.8, 0.1])


@pytest.mark.parametrize(
    ("labels", "wanted", "kind"),
    [
        (("1", "5", "3"), "regression", "regression"),
        (("1", "5", "3"), None, "classification"),
        (("1.5", "5", "3"), "classification", "classification"),
        (("good", "bad"), "regression", "classification"),
        (("1700000.5", "1700100.5"), None, "regression"),
        (("0.1000000001", "0.9"), None, "regression"),
    ],
)
def test_a_metric_says_what_numbers_are(
    labels: tuple[str, ...], wanted: Kind | None, kind: str
) -> None:
    """Bug: stars from 1 to 5 are classes for good, and nothing can make scores of them."""
    assert coding_of(_rows(*labels), wanted).kind == kind


def test_integers_in_dev_are_scores_when_train_has_fractions() -> None:
    """A dev file that happens to hold whole scores alone is no classification."""
    dev = encode(_rows("5", "4"), coding_of(_rows("0.5", "2")))
    assert dev.dtype == np.float32
    assert dev.tolist() == [5.0, 4.0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a", "a"), r"train\.csv holds one class only \('a'\)"),
        (("1", "1.0"), r"holds one class only \('1'\)"),
        (("0.5", "nan"), r"train\.csv, line 3: the score nan is not finite"),
        (("1", "inf"), r"train\.csv, line 3: the score inf is not finite"),
        (("0.5", "1e39"), "line 3: the score 1e39 is not finite"),
        (("1", "9" * 5000), "line 3: the score 9+ is not finite"),
        (("0.5", "0.50"), "every score is 0.5"),
        (("100000000.5", "100000000.25"), "hardly tell them apart: subtract what they have"),
        (("1", "0,5"), r"a decimal comma \('0,5'\): write them with a point"),
    ],
)
def test_labels_that_teach_nothing_are_refused(labels: tuple[str, ...], message: str) -> None:
    """One NaN among the scores makes the whole model NaN."""
    with pytest.raises(KdcError, match=message):
        coding_of(_rows(*labels))


@pytest.mark.parametrize(
    ("train", "dev", "message"),
    [
        (("a", "b"), ("a", "c"), r"dev\.csv, line 3: the label 'c' does not occur in the training"),
        (("a", "b"), ("c", "d", "d"), r"line 2: the label 'c' .*nor does 1 other label\)"),
        (("a", "b"), ("c", "d", "e"), r"line 2: the label 'c' .*nor do 2 other labels\)"),
        (("0", "1"), ("1", "2.5"), "line 3: the label '2.5' does not occur"),
        (
            ("up", "down"),
            ("UP", "x"),
            r"\(nor does 1 other label\): it differs only in case from 'up'",
        ),
        (("up", "Up"), ("UP", "up"), "it differs only in case from 'Up', so write it like that or"),
        (("0.5", "1"), ("1", "high"), r"dev\.csv, line 3: 'high' is no number"),
        (("0.5", "1"), ("1", "inf"), r"dev\.csv, line 3: the score inf is not finite"),
    ],
)
def test_labels_that_train_never_shows_are_named(
    train: tuple[str, ...], dev: tuple[str, ...], message: str
) -> None:
    with pytest.raises(KdcError, match=message):
        encode(_rows(*dev, source="dev.csv"), coding_of(_rows(*train)))


STARS = tuple(f"{number} stars" for number in range(1, 6))

# -- rows that judge a finished model -----------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "labels", "classes", "numbers"),
    [
        (Known("classification", ("on", "off")), ["on", "on"], ("off", "on"), [1, 1]),
        (Known("classification", ("on", "off")), ["ON", "Off"], ("off", "on"), [1, 0]),
        (Known("classification", ("a", "A")), ["A", "a"], ("A", "a"), [0, 1]),
        (Known("classification", ("a", "A", "b")), ["B", "A"], ("A", "a", "b"), [2, 0]),
        (Known("classification", ("NEGATIVE", "POSITIVE")), ["1", "1.0"], ("0", "1"), [1, 1]),
        (Known("classification", ("10", "9")), ["9", "10"], ("9", "10"), [0, 1]),
        (Known("regression", ()), ["3", "4"], (), [3.0, 4.0]),
        (Known("multi-label", ("x", "y")), ["x", "y"], ("x", "y"), [[1, 0], [0, 1]]),
    ],
)
def test_a_model_says_what_the_labels_are(
    known: Known, labels: list[str], classes: tuple[str, ...], numbers: list[object]
) -> None:
    """Bug: a test file of one class, or of whole-number scores, cannot be judged at all."""
    rows = _rows(*labels)
    coding = coding_for(known, rows)
    assert (coding.kind, coding.classes) == (known.kind, classes)
    assert encode(rows, coding).tolist() == numbers


@pytest.mark.parametrize(
    ("known", "label", "words"),
    [
        (Known("classification", ("on", "off")), "up", "'up' is none of the model's classes"),
        (Known("classification", ("on", "off")), "2", "'2' is none of the model's classes"),
        (Known("classification", STARS), "1 2 3 4", "'1' is none of the model's classes"),
        (Known("regression", ()), "on", "'on' is no number, but the model gives scores"),
    ],
)
def test_labels_of_another_task_are_named(known: Known, label: str, words: str) -> None:
    """Bug: of 1 to 4 stars, where nobody gave 5, each was read as one more: 2 % for 98."""
    rows = _rows(*label.split())
    with pytest.raises(KdcError, match=words):
        encode(rows, coding_for(known, rows))


@pytest.mark.parametrize("kind", ["classification", "multi-label"])
def test_a_label_that_may_be_two_classes_is_none_of_them(kind: Kind) -> None:
    """Bug: of `Alarm` and `alarm`, `ALARM` was read as the second without a word."""
    rows, known = _rows("alarm", "ALARM"), Known(kind, ("Alarm", "alarm"))
    told = r"line 3: the label 'ALARM' is .*, which has 'Alarm' and 'alarm': write it as one"
    with pytest.raises(KdcError, match=told):
        encode(rows, coding_for(known, rows))


def test_sets_of_labels_are_not_for_a_model_of_one() -> None:
    rows = replace(_rows("a", "b"), labels=[], sets=[("a", "b"), ()])
    with pytest.raises(KdcError, match="one label, and the data's rows may have several"):
        coding_for(Known("classification", ("a", "b")), rows)
