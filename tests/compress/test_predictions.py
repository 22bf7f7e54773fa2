import math

import numpy as np
import pytest

from kdc.compress.predictions import read_predictions
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b", "c"), False, "accuracy")
SEVERAL = Task("t", "multi-label", ("a", "b", "c"), False, "micro_f1")
SCORES = Task("t", "regression", (), False, "pearson")


def test_classes_sum_to_1_and_the_most_probable_comes_first() -> None:
    """Bug: probabilities stand beside other classes' names, or beyond what exp() can hold."""
    (found,) = read_predictions(CLASSES, np.array([[1.0, 1000.0, 999.0]], np.float32), top=3)
    assert found.answer == "b"
    assert list(found.probabilities) == ["b", "c", "a"]
    assert found.probabilities["b"] == pytest.approx(math.e / (math.e + 1))
    assert sum(found.probabilities.values()) == pytest.approx(1)


def test_several_labels_each_have_a_probability_of_their_own() -> None:
    """Bug: a softmax over labels, of which two can hold at once and sometimes none does."""
    logits = np.array([[2.0, -1.0, 1.0], [-1.0, -2.0, -3.0]], np.float32)
    both, none = read_predictions(SEVERAL, logits, top=2)
    assert (both.answer, none.answer) == (("a", "c"), ())
    assert both.probabilities == pytest.approx(
        {"a": 1 / (1 + math.exp(-2)), "c": 1 / (1 + math.exp(-1))}
    )
    assert none.as_dict()["answer"] == []


def test_a_score_is_itself() -> None:
    (found,) = read_predictions(SCORES, np.array([[2.5]], np.float32), top=3)
    assert found.as_dict() == {"answer": 2.5}
