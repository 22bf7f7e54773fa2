from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Widths
from kdc.compress.losses.soft_labels import SoftLabels
from kdc.compress.signals import Signals
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b", "c"), False, "accuracy")
SCORES = Task("t", "regression", (), False, "pearson")
SEVERAL = Task("t", "multi-label", ("a", "b", "c"), False, "micro_f1")
NO_LABELS = torch.zeros(6, dtype=torch.long)


def logits(seed: int, columns: int = 3) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(6, columns, generator=rng, dtype=torch.float64)


def measure(loss: SoftLabels, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    mask = torch.ones(6, 1)
    value: torch.Tensor = loss(Signals(student, (), mask), Signals(teacher, (), mask), NO_LABELS)
    return value


def fitted(temperature: float, task: Task = CLASSES) -> SoftLabels:
    loss = SoftLabels(temperature)
    loss.fit(Widths(task, 1, 1, 1, 1))
    return loss


def softmax(z: Any) -> Any:  # noqa: ANN401
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
def test_the_value_is_hintons_formula(temperature: float) -> None:
    """Bug: KL the wrong way round, without T squared, or averaged over classes too."""
    p = softmax(logits(1).numpy() / temperature)
    q = softmax(logits(0).numpy() / temperature)
    expected = temperature**2 * (p * (np.log(p) - np.log(q))).sum(axis=1).mean()
    assert measure(fitted(temperature), logits(0), logits(1)).item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_gradient_is_t_times_the_difference_of_the_distributions(temperature: float) -> None:
    """Bug: a higher temperature trains more slowly, because T squared is lost."""
    student = logits(0).requires_grad_()
    measure(fitted(temperature), student, logits(1)).backward()
    q = softmax(student.detach().numpy() / temperature)
    p = softmax(logits(1).numpy() / temperature)
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), temperature * (q - p) / 6, atol=1e-12)


def test_at_a_high_temperature_it_is_logit_matching() -> None:
    """Bug: at high T the loss vanishes, though the paper shows it to be the logits' distance."""
    student = logits(0).requires_grad_()
    measure(fitted(1000.0), student, logits(1)).backward()
    gap = student.detach().numpy() - logits(1).numpy()
    gap -= gap.mean(axis=1, keepdims=True)
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), gap / (3 * 6), rtol=0.02, atol=1e-3)


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn() -> None:
    """Bug: entropy in place of divergence never reaches 0; a shift of all logits means nothing."""
    assert measure(fitted(2.0), logits(1) + 5.0, logits(1)).item() == pytest.approx(0.0, abs=1e-12)
    assert measure(fitted(2.0), logits(0), logits(1)).item() > 0.1


def test_sure_answers_stay_finite() -> None:
    """Bug: log(0) where a softmax is 1 to the last bit."""
    sure = torch.tensor([[1000.0, -1000.0, 0.0]] * 6)
    value = measure(fitted(1.0), sure.flip(1), sure)
    assert value.isfinite()
    assert measure(fitted(1.0), sure, sure).item() == 0.0


def test_scores_are_compared_by_their_squared_difference() -> None:
    """Bug: a softmax over one column is always 1, so a regression trains nothing."""
    student, teacher = logits(0, 1), logits(1, 1)
    expected = ((student.numpy() - teacher.numpy()) ** 2).mean()
    assert measure(fitted(2.0, SCORES), student, teacher).item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf"), 10**400])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    """Bug: T = 0 divides by zero and trains on NaN."""
    with pytest.raises(KdcError, match=r"soft_labels: temperature must be from 0.001"):
        SoftLabels(temperature)


def test_a_single_class_is_refused() -> None:
    """Bug: a perfect loss of 0 while nothing is trained."""
    with pytest.raises(KdcError, match="one class has nothing to learn"):
        fitted(2.0, Task("t", "classification", ("a",), False, "accuracy"))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_of_several_labels_each_is_a_yes_or_no(temperature: float) -> None:
    """Bug: a softmax, under which two labels of a text take each other's probability."""
    p, q = (1 / (1 + np.exp(-logits(seed).numpy() / temperature)) for seed in (1, 0))
    total = 0.0
    for row in range(6):
        for label in range(3):
            for a, b in ((p, q), (1 - p, 1 - q)):
                total += a[row, label] * np.log(a[row, label] / b[row, label])
    found = measure(fitted(temperature, SEVERAL), logits(0), logits(1))
    assert found.item() == pytest.approx(temperature**2 * total / 6)


def test_the_gradient_of_several_labels_is_t_times_the_difference_of_probabilities() -> None:
    """Bug: a teacher's half of the sum is left out, or T squared is lost."""
    student = logits(0).requires_grad_()
    measure(fitted(4.0, SEVERAL), student, logits(1)).backward()
    q, p = (1 / (1 + np.exp(-z.detach().numpy() / 4)) for z in (student, logits(1)))
    assert student.grad is not None
    np.testing.assert_allclose(student.grad.numpy(), 4 * (q - p) / 6, atol=1e-12)


def test_of_several_labels_sure_answers_stay_finite_and_alike_ones_teach_nothing() -> None:
    """Bug: log(0), and 0 times infinity, where a sigmoid is 1 to the last bit."""
    sure = torch.tensor([[1000.0, -1000.0, 0.0]] * 6).requires_grad_()
    value = measure(fitted(1.0, SEVERAL), sure, -sure.detach())
    assert value.item() == pytest.approx(2000.0)
    value.backward()
    assert sure.grad is not None and sure.grad.isfinite().all()
    assert measure(fitted(1.0, SEVERAL), sure, sure.detach()).item() == 0.0
