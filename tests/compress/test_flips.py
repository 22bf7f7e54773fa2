import numpy as np
import pytest

from kdc.compress.data.dataset import Split
from kdc.compress.flips import find_flips
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b", "c"), False, "accuracy")
SCORES = Task("t", "regression", (), True, "pearson")
SEVERAL = Task("t", "multi-label", ("a", "b", "c"), False, "micro_f1")


def test_every_row_that_differs_is_counted_and_the_clearest_comes_first() -> None:
    """Bug: a row that both get wrong in the same way, or one on which only one of them is right."""
    gold = np.array([0, 0, 1, 1, 2, 2])
    teacher = np.eye(3)[[0, 0, 1, 2, 0, 0]] * 5
    student = np.eye(3)[[0, 1, 1, 1, 0, 1]] * np.array([[1], [9], [1], [2], [1], [4]])
    rows = Split([f"text {i}" for i in range(6)], None, gold)
    found = find_flips("dev", rows, teacher, student, CLASSES)
    assert (found.n, found.count, found.teacher_right, found.student_right) == (6, 3, 1, 1)
    assert [flip.row for flip in found.shown] == [1, 5, 3]
    assert found.as_dict()["shown"][0] == {
        "row": 1,
        "text": "text 1",
        "pair": None,
        "label": "a",
        "teacher": "a",
        "student": "b",
    }


def test_no_more_than_fifty_and_short_texts() -> None:
    """Bug: ten thousand rows of a megabyte each in metrics.json."""
    rows = Split(["x" * 10_000 + "\0🎉"] * 200, None, np.zeros(200, np.int64))
    teacher, student = np.eye(3)[np.zeros(200, int)], np.eye(3)[np.ones(200, int)]
    found = find_flips("dev", rows, teacher, student, CLASSES)
    assert found.count == found.teacher_right == 200 and len(found.shown) == 50
    assert {len(flip.text) for flip in found.shown} == {300}
    assert [flip.row for flip in found.shown] == list(range(50))


def test_scores_flip_by_their_distance() -> None:
    """Bug: a number is looked up among the names of classes."""
    rows = Split(["a", "b", "c"], ["d", "e", "f"], np.array([1.0, 2.0, 3.0], np.float32))
    teacher, student = np.array([[1.0], [2.5], [3.5]]), np.array([[1.5], [2.0], [9.0]])
    found = find_flips("dev", rows, teacher, student, SCORES)
    assert [(flip.row, flip.pair) for flip in found.shown] == [(2, "f"), (0, "d"), (1, "e")]
    assert (found.teacher_right, found.student_right) == (2, 1)
    assert found.shown[0].teacher == pytest.approx(3.5) and found.shown[0].label == 3.0


def test_models_that_agree() -> None:
    rows = Split(["a"], None, np.array([0]))
    found = find_flips("dev", rows, np.eye(3)[:1], np.eye(3)[:1] * 7, CLASSES)
    assert found.count == 0 and found.shown == ()


def test_of_several_labels_one_that_differs_is_enough() -> None:
    """Bug: rows are compared by their first label, or an empty set is shown as the first class."""
    gold = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]], np.float32)
    teacher = np.array([[2, 2, -2], [-2, -2, -2], [2, -2, -2], [-2, -2, 2]], np.float32)
    student = np.array([[2, 2, -1], [-9, 3, -2], [1, -2, 1], [-2, 2, 2]], np.float32)
    found = find_flips("dev", Split(list("abcd"), None, gold), teacher, student, SEVERAL)
    assert (found.n, found.count, found.teacher_right, found.student_right) == (4, 3, 2, 1)
    assert [flip.row for flip in found.shown] == [1, 3, 2]  # by the surest label that differs
    first = found.as_dict()["shown"][0]
    assert (first["label"], first["teacher"], first["student"]) == ((), (), ("b",))
    assert found.shown[1].label == ("b", "c") and found.shown[1].teacher == ("c",)
