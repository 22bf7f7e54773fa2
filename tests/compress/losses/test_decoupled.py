from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.losses.decoupled import Decoupled
from kdc.compress.losses.objective import Widths
from kdc.compress.losses.soft_labels import SoftLabels
from kdc.compress.signals import Signals
from tests.said import CLASSES, GOLD, TWO, numbers, said


def softmax(z: Any) -> Any:  # noqa: ANN401
    return np.exp(z) / np.exp(z).sum()


def by_hand(student: Signals, teacher: Signals, gold: list[int], t: float) -> tuple[float, float]:
    """TCKD and NCKD, text by text."""
    target, others = [], []
    for ours, theirs, y in zip(numbers(student.logits), numbers(teacher.logits), gold, strict=True):
        q, p = softmax(ours / t), softmax(theirs / t)
        pairs = [(p[y], q[y]), (1 - p[y], 1 - q[y])]
        target.append(sum(a * np.log(a / b) for a, b in pairs))
        p_hat, q_hat = np.delete(p, y) / (1 - p[y]), np.delete(q, y) / (1 - q[y])
        others.append(float((p_hat * np.log(p_hat / q_hat)).sum()))
    return t * t * float(np.mean(target)), t * t * float(np.mean(others))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 8.0), (1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
def test_the_value_is_the_papers(temperature: float, alpha: float, beta: float) -> None:
    """Bug: the two terms change places, or the other classes are not normed among themselves."""
    student, teacher = said(0), said(1)
    target, others = by_hand(student, teacher, GOLD.tolist(), temperature)
    value = Decoupled(temperature, alpha, beta)(student, teacher, GOLD)
    assert value.item() == pytest.approx(alpha * target + beta * others, rel=1e-5)


def test_put_together_again_it_is_soft_labels() -> None:
    """Bug: the decomposition loses something: KL = TCKD + (1 - p_y) NCKD, text by text."""
    for row in range(3):
        one = slice(row, row + 1)
        student, teacher = (replace(said(seed), logits=said(seed).logits[one]) for seed in (0, 1))
        sure = torch.softmax(teacher.logits / 2, -1)[0, GOLD[row]].item()
        whole = SoftLabels(2.0)(student, teacher, GOLD[one])
        split = Decoupled(2.0, alpha=1.0, beta=1 - sure)(student, teacher, GOLD[one])
        assert split.item() == pytest.approx(whole.item(), rel=1e-4, abs=1e-6)


def test_an_unlabelled_row_takes_its_teachers_answer() -> None:
    """Bug: class -100 is taken for the last one but 99, or fails."""
    student, teacher = said(0), said(1)
    answers = teacher.logits.argmax(-1)
    loss = Decoupled()
    unlabelled = torch.full((3,), -100)
    assert torch.equal(loss(student, teacher, unlabelled), loss(student, teacher, answers))
    assert not torch.equal(answers, GOLD)


def test_two_classes_have_one_other() -> None:
    """Bug: 0 / 0 among a single other class."""
    student, teacher, gold = said(0, classes=2), said(1, classes=2), torch.tensor([0, 1, 1])
    target, _ = by_hand(student, teacher, gold.tolist(), 4.0)
    value = Decoupled()(student, teacher, gold)
    assert value.item() == pytest.approx(target, rel=1e-5)
    value.backward()
    assert student.logits.grad is not None
    assert student.logits.grad.isfinite().all()


def test_two_classes_without_what_teaches_them_are_refused() -> None:
    """Bug: a run of hours in which nothing is learned, with a loss that is 0 from the start."""
    with pytest.raises(KdcError, match="decoupled: of two classes only alpha teaches anything"):
        Decoupled(alpha=0.0).fit(Widths(TWO, 2, 8, 2, 8))
    Decoupled(beta=0.0).fit(Widths(TWO, 2, 8, 2, 8))
    Decoupled(alpha=0.0).fit(Widths(CLASSES, 2, 8, 2, 8))


def test_sure_answers_stay_finite() -> None:
    """Bug: log(1 - p) where p is 1 to the last bit."""
    sure = torch.tensor([[1000.0, -1000.0, 0.0, 5.0]] * 3, requires_grad=True)
    teacher = replace(said(1), logits=sure.detach().flip(1))
    value = Decoupled(1.0)(replace(said(0), logits=sure), teacher, GOLD)
    assert value.isfinite()
    value.backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.0}, "decoupled: temperature must be from 0.001"),
        ({"beta": -1.0}, "decoupled: beta must be from 0 to"),
        ({"alpha": float("nan")}, "decoupled: alpha must be from 0 to"),
        ({"alpha": 0.0, "beta": 0.0}, "alpha and beta are 0: nothing would be trained"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, float], words: str) -> None:
    """Bug: a term that pushes student and teacher apart."""
    with pytest.raises(KdcError, match=words):
        Decoupled(**options)
