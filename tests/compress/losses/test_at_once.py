import pytest
import torch
from torch import Tensor

from kdc.compress.losses.at_once import at_once


def rows(seed: int, count: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator, dtype=torch.float64)


def gap(student: Tensor, teacher: Tensor) -> Tensor:
    return ((student.exp() - teacher) ** 2).sum()


@pytest.mark.parametrize("count", [1, 3, 7, 100])
def test_value_and_gradient_are_those_of_all_rows_together(count: int) -> None:
    """Bug: the last rows, fewer than the others, are left out, or the factor outside is."""
    student, teacher = rows(0).requires_grad_(), rows(1)
    found = torch.autograd.grad(5 * at_once(gap, count, student, teacher), student)
    wanted = 10 * (student.exp() - teacher) * student.exp()  # d/dx of 5 (e^x - y)^2
    torch.testing.assert_close(found[0], wanted.detach())
    torch.testing.assert_close(at_once(gap, count, student, teacher), gap(student, teacher))


def test_the_gradient_reaches_what_the_rows_were_made_of() -> None:
    """Bug: a chain of gradients that ends at the loss, so that nothing is learnt."""
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    at_once(gap, 2, rows(0) * weight, rows(1)).backward()
    wanted = torch.ones_like(weight).requires_grad_()
    gap(rows(0) * wanted, rows(1)).backward()
    torch.testing.assert_close(weight.grad, wanted.grad)


def test_no_row_is_a_loss_of_0_with_a_gradient() -> None:
    """Bug: a batch without a masked place stops the run."""
    student = rows(0, 0).requires_grad_()
    loss = at_once(gap, 2, student, rows(1, 0))
    loss.backward()
    assert loss.item() == 0.0
    assert student.grad is not None
    assert student.grad.shape == (0, 3)


def test_half_precision_is_summed_in_full() -> None:
    """Bug: a sum of thousands of rows in bfloat16 stands still."""
    student = torch.zeros(3000, 1, dtype=torch.bfloat16).requires_grad_()
    loss = at_once(lambda ours: (ours.float() + 1).sum(), 1, student)
    assert loss.item() == 3000.0
    assert torch.autograd.grad(loss, student)[0].dtype == torch.bfloat16


def test_without_gradients_none_are_made() -> None:
    """Bug: judging held-out text costs as much as training on it, or stops after a few rows."""

    def seen(student: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        return student.sum()

    found = at_once(seen, 2, rows(0))
    assert not found.requires_grad
    torch.testing.assert_close(found, rows(0).sum())
