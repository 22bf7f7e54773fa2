import numpy as np
import pytest
import torch

from kdc.compress.losses.mse_logits import MseLogits
from kdc.compress.losses.soft_labels import SoftLabels
from tests.said import GOLD, SCORED, fitted, numbers, said


@pytest.mark.parametrize("classes", [1, 4])
def test_the_value_is_the_mean_squared_difference(classes: int) -> None:
    """Bug: the sum over classes, so that tasks of many classes train faster."""
    student, teacher = said(0, classes=classes), said(1, classes=classes)
    expected = np.mean((numbers(student.logits) - numbers(teacher.logits)) ** 2)
    loss = MseLogits() if classes > 1 else fitted(MseLogits(), student, teacher, SCORED)
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-6)


def test_it_teaches_the_mean_of_the_logits_which_soft_labels_do_not() -> None:
    """Bug: a softmax on the way: a shift of all logits would not be seen."""
    student, teacher = said(0), said(1)
    soft, logits = SoftLabels(), MseLogits()
    shift = torch.zeros_like(student.logits) + 1.0
    moved = type(student)(student.logits + shift, student.hidden, student.mask)
    assert soft(moved, teacher, GOLD).item() == pytest.approx(soft(student, teacher, GOLD).item())
    apart = logits(moved, teacher, GOLD) - logits(student, teacher, GOLD)
    gap = numbers(student.logits) - numbers(teacher.logits)
    assert apart.item() == pytest.approx(1 + 2 * gap.mean(), rel=1e-5)
