import numpy as np
import pytest

from kdc.compress.metrics import score
from kdc.compress.per_class import per_class

NAMES = ("a", "b", "c", "d")


def one_hot(said: list[int]) -> np.ndarray:
    """Logits of these answers."""
    return np.eye(len(NAMES), dtype=np.float32)[said]


def test_the_worst_class_comes_first_with_what_it_is_taken_for() -> None:
    """Bug: rows and columns of the confusion matrix change places."""
    gold = np.array([0, 0, 0, 0, 1, 1, 2])
    found = per_class("classification", NAMES, one_hot([0, 1, 1, 2, 1, 1, 3]), gold)
    assert [row.name for row in found] == ["c", "a", "b", "d"]
    by_name = {row.name: row for row in found}
    assert (by_name["a"].recall, by_name["a"].precision) == (0.25, 1)
    assert (by_name["a"].taken_for, by_name["a"].taken) == ("b", 2)
    assert (by_name["b"].recall, by_name["b"].precision) == (1, 0.5)
    assert by_name["b"].taken_for is None
    assert (by_name["c"].recall, by_name["c"].taken_for) == (0, "d")
    assert (by_name["d"].n, by_name["d"].recall, by_name["d"].precision) == (0, None, 0)


def test_a_class_that_nobody_names_is_left_out() -> None:
    found = per_class("classification", NAMES, one_hot([0, 1]), np.array([0, 1]))
    assert [row.name for row in found] == ["a", "b"]


def test_the_mean_recall_is_that_of_the_metrics() -> None:
    """Each class's F1 by hand, whose mean is macro-F1."""
    draw = np.random.default_rng(0)
    gold, said = draw.integers(0, 4, 200), draw.integers(0, 4, 200).tolist()
    found = per_class("classification", NAMES, one_hot(said), gold)
    f1 = [
        2 * row.recall * row.precision / (row.recall + row.precision)
        for row in found
        if row.recall and row.precision
    ]
    assert np.mean(f1) == pytest.approx(score("macro_f1", one_hot(said), gold).value)


def test_each_of_several_labels() -> None:
    """Bug: a row's labels are counted as classes that exclude each other."""
    logits = np.array([[1, 1, -1], [1, -1, -1], [-1, -1, -1]], np.float32)
    gold = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0]], np.float32)
    found = {row.name: row for row in per_class("multi-label", NAMES[:3], logits, gold)}
    assert (found["a"].n, found["a"].recall, found["a"].precision) == (2, 1, 1)
    assert (found["b"].n, found["b"].recall, found["b"].precision) == (2, 0, 0)
    assert (found["c"].n, found["c"].recall, found["c"].precision) == (1, 0, None)
    assert found["b"].taken_for is None


def test_scores_have_no_classes() -> None:
    assert per_class("regression", (), np.zeros((3, 1)), np.zeros(3)) == []
