import math

import pytest
import torch
from torch import Tensor

from kdc.compress.losses import relation_kl as module
from kdc.compress.losses.relation_kl import relation_kl

LENGTHS = torch.tensor([5, 3, 1, 4])


def parts(width: int, seed: int) -> Tensor:
    """(B, R, T, r) of texts of several lengths, with something in their padding."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 2, 5, width, generator=generator, dtype=torch.float64).requires_grad_()


def mask() -> Tensor:
    return (torch.arange(5)[None] < LENGTHS[:, None]).long()


def softmaxes(pair: tuple[Tensor, Tensor], row: int) -> Tensor:
    """(R, n, n) of a text's real tokens alone."""
    one, other = (part[row, :, : LENGTHS[row]] for part in pair)
    return (one @ other.transpose(-1, -2) / math.sqrt(one.shape[-1])).softmax(-1)


def written_out(ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> Tensor:
    """The same by the formula, differentiated by autograd."""
    found = []
    for row in range(len(LENGTHS)):
        p, q = softmaxes(theirs, row), softmaxes(ours, row)
        found.append((p * (p / q).log()).sum(-1).mean())
    return torch.stack(found).mean()


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
@pytest.mark.parametrize("same", [True, False])
def test_value_and_gradients_are_those_of_the_formula(
    at_once: int, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: padding has a gradient, a chunk is left out, or queries meet queries only once."""
    monkeypatch.setitem(module._AT_ONCE, "cpu", at_once)
    one, teacher = parts(3, 0), parts(4, 1)
    other = one if same else parts(3, 2)
    inputs = [one] if same else [one, other]
    expected = written_out((one, other), (teacher, teacher))
    loss = relation_kl((one, other), (teacher, teacher), mask())
    torch.testing.assert_close(loss, expected)
    wanted = torch.autograd.grad(7 * expected, inputs)
    torch.testing.assert_close(torch.autograd.grad(7 * loss, inputs), wanted)
    assert teacher.grad is None


def test_without_gradients_none_are_made() -> None:
    """Bug: judging held-out text costs as much as training on it."""
    one, teacher = parts(3, 0), parts(4, 1)
    with torch.no_grad():
        loss = relation_kl((one, one), (teacher, teacher), mask())
    torch.testing.assert_close(loss, written_out((one, one), (teacher, teacher)).detach())
    assert loss.grad_fn is None


def test_nothing_as_large_as_the_relations_is_kept_for_the_gradient() -> None:
    """Bug: gigabytes of softmaxes stay until the backward pass."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()), lambda t: t):
        relation_kl((parts(3, 0), parts(3, 1)), (parts(4, 2), parts(4, 3)), mask())
    assert sum(kept) <= 2 * 4 * 2 * 5 * 3
