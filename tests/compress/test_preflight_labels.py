"""Teachers of several labels a text; those of one class, or of scores, stand in test_preflight."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.metrics import score
from kdc.compress.preflight import align_labels, check_teacher, majority
from kdc.compress.task import Task
from tests.families import family_model

NAMES = ("no", "maybe", "yes")
SEVERAL = Task("t", "multi-label", NAMES, False, "micro_f1")


def sets(rows: int, shares: tuple[float, ...] = (0.6, 0.3, 0.1)) -> np.ndarray:
    return (np.random.default_rng(0).random((rows, len(shares))) < shares).astype(np.float32)


@pytest.mark.parametrize("shares", [(0.6, 0.3, 0.1), (0.1, 0.5, 0.5), (0.02, 0.02, 0.02)], ids=str)
def test_the_floor_of_several_labels_is_the_best_constant_answer(
    shares: tuple[float, ...],
) -> None:
    """Bug: a floor of 0, for no label stands in every second row, that any teacher beats."""
    train, dev = sets(300, shares), sets(100, shares)
    scores = {}
    for chosen in product([-1.0, 1.0], repeat=3):
        scores[chosen] = score("micro_f1", np.tile(chosen, (300, 1)), train).value
    best = max(scores, key=lambda chosen: scores[chosen])
    wanted = score("micro_f1", np.tile(best, (100, 1)), dev)
    assert majority(SEVERAL, train, dev) == wanted


def test_the_floor_of_rows_all_right_is_the_most_frequent_set() -> None:
    train = np.array([[1, 0, 1]] * 3 + [[1, 1, 0]] * 2 + [[0, 0, 0]] * 2, np.float32)
    found = majority(replace(SEVERAL, metric="subset_accuracy"), train, train)
    assert found.value == pytest.approx(3 / 7)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)], ids=str)
def test_unnamed_labels_in_another_order_are_found_out(order: tuple[int, ...]) -> None:
    """Bug: the student learns to say `yes` where `no` holds."""
    labels = sets(400)
    said = 2 * labels[:, order] - 1  # output i means label order[i]
    with pytest.raises(KdcError) as caught:
        check_teacher(SEVERAL, said, labels, majority(SEVERAL, labels, labels))
    wanted = ", ".join(NAMES[index] for index in order)
    assert f"in the order {wanted} (micro-F1 100.0 %)" in str(caught.value)
    right = 2 * labels - 1
    assert check_teacher(SEVERAL, right, labels, majority(SEVERAL, labels, labels)).value == 1.0


@pytest.mark.parametrize("always", [(1, 1, 1), (1, -1, -1), (-1, -1, -1), (-1, 1, 1)], ids=str)
def test_a_teacher_that_gives_all_texts_the_same_labels_is_refused(always: tuple[int]) -> None:
    labels = sets(400)
    said = np.tile(np.array(always, np.float32), (400, 1))
    with pytest.raises(KdcError, match=r"no better than always.*fine-tune it on this task first"):
        check_teacher(SEVERAL, said, labels, majority(SEVERAL, labels, labels))


def test_a_teacher_of_one_class_a_text_is_refused_for_several_labels() -> None:
    """Bug: logits that were trained to exclude each other are taken for chances of their own."""
    model = family_model("bert", 3)
    model.config.id2label = dict(enumerate(("yes", "no", "maybe")))
    model.config.label2id = {"yes": 0, "no": 1, "maybe": 2}
    assert align_labels(model, SEVERAL) is True
    assert model.config.problem_type == "multi_label_classification"
    model.config.problem_type = "single_label_classification"
    with pytest.raises(KdcError, match=r"chooses one of its classes, but a row .* have several"):
        align_labels(model, SEVERAL)
