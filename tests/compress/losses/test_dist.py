from dataclasses import replace

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.losses.dist import Dist
from kdc.compress.losses.objective import Widths
from kdc.compress.signals import Signals
from tests.said import CLASSES, GOLD, TWO, numbers, said


def by_hand(student: Signals, teacher: Signals, t: float) -> tuple[float, float]:
    q, p = (
        np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        for z in (numbers(student.logits) / t, numbers(teacher.logits) / t)
    )
    inter = [1 - np.corrcoef(q[row], p[row])[0, 1] for row in range(len(q))]
    intra = [1 - np.corrcoef(q[:, c], p[:, c])[0, 1] for c in range(q.shape[1])]
    return t * t * float(np.mean(inter)), t * t * float(np.mean(intra))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(("inter", "intra"), [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (2.0, 0.5)])
def test_the_value_is_one_less_pearsons_r(temperature: float, inter: float, intra: float) -> None:
    """Bug: rows and columns change places, or a cosine without the means taken off."""
    student, teacher = said(0), said(1)
    by_row, by_column = by_hand(student, teacher, temperature)
    value = Dist(temperature, inter, intra)(student, teacher, GOLD)
    assert value.item() == pytest.approx(inter * by_row + intra * by_column, rel=1e-4)


def test_a_student_that_is_flatter_in_the_same_order_is_not_punished() -> None:
    """Bug: an exact match is asked for, which the paper sets out to relax."""
    teacher = said(1)
    p = torch.softmax(teacher.logits.detach(), -1)
    flatter = replace(said(0), logits=(0.3 * p + 0.7 / 4).log())
    assert Dist()(flatter, teacher, GOLD).item() == pytest.approx(0.0, abs=1e-6)


def test_two_classes_learn_from_the_other_texts_alone() -> None:
    """Bug: the rows of two classes correlate by 1 or -1, whatever is learned."""
    student, teacher = said(0, classes=2), said(1, classes=2)
    Dist(inter=1.0, intra=0.0)(student, teacher, GOLD).backward()
    assert student.logits.grad is not None
    assert student.logits.grad.abs().max() < 1e-5
    student = said(0, classes=2)
    Dist(inter=0.0, intra=1.0)(student, teacher, GOLD).backward()
    assert student.logits.grad is not None
    assert student.logits.grad.abs().max() > 1e-2


def test_two_classes_without_what_teaches_them_are_refused() -> None:
    """Bug: a run of hours in which nothing is learned, with a loss that falls to 0."""
    with pytest.raises(KdcError, match="dist: of two classes only intra teaches anything"):
        Dist(intra=0.0).fit(Widths(TWO, 2, 8, 2, 8))
    Dist(inter=0.0).fit(Widths(TWO, 2, 8, 2, 8))
    Dist(intra=0.0).fit(Widths(CLASSES, 2, 8, 2, 8))


def test_a_batch_of_one_row_or_of_equal_rows_stays_finite() -> None:
    """Bug: 0 / 0 in the last batch of an epoch, which may hold a single text."""
    student, teacher = said(0), said(1)
    one = slice(0, 1)
    alone = Dist()(
        replace(student, logits=student.logits[one]),
        replace(teacher, logits=teacher.logits[one]),
        GOLD[one],
    )
    q, p = (torch.softmax(said.logits[0].detach(), -1).numpy() for said in (student, teacher))
    assert alone.item() == pytest.approx(1 - np.corrcoef(q, p)[0, 1], rel=1e-4)
    equal = torch.zeros(3, 4, requires_grad=True)
    value = Dist()(replace(student, logits=equal), replace(teacher, logits=equal.detach()), GOLD)
    value.backward()
    assert value.item() == 2.0
    assert equal.grad is not None
    assert equal.grad.isfinite().all()


def test_equal_answers_do_not_drown_the_other_losses() -> None:
    """Bug: a gradient of 1e7 through what rounding had left, which clipping made the only one."""
    teacher = said(1)
    for row in (torch.zeros(4), torch.linspace(-1, 1, 4)):
        equal = row.expand(len(GOLD), -1).clone().requires_grad_(True)
        Dist()(replace(said(0), logits=equal), teacher, GOLD).backward()
        assert equal.grad is not None and equal.grad.abs().max() < 1


def test_classes_that_are_rarely_meant_still_teach() -> None:
    """Bug: of a sure student most columns are tiny, and were all taken for rounding."""
    logits = torch.full((4, 20), -18.0)
    logits[range(4), range(4)] = 0.0
    student = (
        logits + torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    ).requires_grad_()
    teacher = torch.randn(4, 20, generator=torch.Generator().manual_seed(1))
    gold = torch.arange(4)
    value = Dist()(replace(said(0), logits=student), replace(said(1), logits=teacher), gold)
    wanted = sum(by_hand(replace(said(0), logits=student), replace(said(1), logits=teacher), 1.0))
    assert value.item() == pytest.approx(wanted, rel=1e-3)


def test_sure_answers_stay_finite() -> None:
    """Bug: a class that no text of the batch has varies by nothing, and 0 / 0 follows."""
    sure = torch.tensor([[200.0, -200.0, 0.0, 5.0], [-9.0, 300.0, 0.0, 1.0]], requires_grad=True)
    teacher = replace(said(1), logits=sure.detach().flip(1))
    value = Dist()(replace(said(0), logits=sure), teacher, GOLD[:2])
    value.backward()
    assert value.isfinite()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": float("nan")}, "dist: temperature must be from 0.001"),
        ({"inter": -1.0}, "dist: inter must be from 0 to"),
        ({"inter": 0.0, "intra": 0.0}, "inter and intra are 0: nothing would be trained"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, float], words: str) -> None:
    """Bug: a term that rewards the wrong order."""
    with pytest.raises(KdcError, match=words):
        Dist(**options)
