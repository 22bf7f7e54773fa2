import math

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.predictions import read_predictions
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b", "c"), False, "accuracy")
SEVERAL = Task("t", "multi-label", ("a", "b", "c"), False, "micro_f1")
SCORES = Task("t", "regression", (), False, "pearson")


def test_classes_sum_to_1_and_the_most_probable_comes_first() -> None:
    """Bug: probabilities stand beside other classes' names, or beyond what exp() can hold."""
    (found,) = read_predictions(CLASSES, np.array([[1.0, 1000.0, 999.0]], np.float32), top=3)
    assert found.answer == "b"
    assert [name for name, _ in found.probabilities] == ["b", "c", "a"]
    assert found.probabilities[0][1] == pytest.approx(math.e / (math.e + 1))
    assert sum(share for _, share in found.probabilities) == pytest.approx(1)


def test_several_labels_each_have_a_probability_of_their_own() -> None:
    """Bug: a softmax over labels, of which two can hold at once and sometimes none does."""
    logits = np.array([[2.0, -1.0, 1.0], [-1.0, -2.0, -3.0]], np.float32)
    both, none = read_predictions(SEVERAL, logits, top=2)
    assert (both.answer, none.answer) == (("a", "c"), ())
    assert [name for name, _ in both.probabilities] == ["a", "c"]
    wanted = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))]
    assert [share for _, share in both.probabilities] == pytest.approx(wanted)
    assert none.as_dict()["answer"] == []


def test_a_score_is_itself() -> None:
    (found,) = read_predictions(SCORES, np.array([[2.5]], np.float32), top=3)
    assert found.as_dict() == {"answer": 2.5}


def test_two_classes_of_one_name_keep_a_probability_each() -> None:
    """Bug: the second one's stands in the place of the first one's."""
    twins = Task("t", "classification", ("a", "a"), False, "accuracy")
    (found,) = read_predictions(twins, np.array([[5.0, 0.0]], np.float32), top=2)
    assert found.answer == "a" and found.probabilities[0][1] > 0.99
    assert [row["class"] for row in found.as_dict()["probabilities"]] == ["a", "a"]


@pytest.mark.parametrize(
    ("logits", "said"),
    [([[np.nan, 0, 0]], "answers NaN"), ([[1.0, 2.0]], "gives 2 answers .* names 3 classes")],
)
def test_what_is_no_answer_is_refused(logits: list[list[float]], said: str) -> None:
    """Bug: nan % in a table, or an IndexError."""
    with pytest.raises(KdcError, match=said):
        read_predictions(CLASSES, np.array(logits, np.float32), top=3)
