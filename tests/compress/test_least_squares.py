import numpy as np
import pytest
import torch
from torch import nn

from kdc.compress.least_squares import LinearFit, NormFit
from tests.tiny import own_rng


def inputs(rows: int, width: int) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(rows))


def test_kept_inputs_take_over_what_the_others_did() -> None:
    """Bug: the lost inputs' share is lost, although those that are kept foretell it."""
    with own_rng():
        linear = nn.Linear(6, 4)
    x = inputs(300, 6)
    x[:, 5] = 2 * x[:, 1] - x[:, 3] + 0.7
    fit = LinearFit(linear, torch.tensor([0, 1, 2, 3]))
    x[:, 4] = 0.1 * inputs(301, 1)[:300, 0]
    for part in x.split(77):
        fit.count(part.view(1, -1, 6), linear(part).detach().view(1, -1, 4))
    weight, bias = fit.solve()
    wanted = linear(x).detach().double().numpy()
    own = np.c_[x[:, :4].double().numpy(), np.ones(300)]
    best, *_ = np.linalg.lstsq(own, wanted, rcond=None)
    np.testing.assert_allclose(np.c_[weight.numpy(), bias.numpy()], best.T, atol=5e-3)
    cut = x[:, :4] @ linear.weight[:, :4].T + linear.bias
    left = [
        ((found.detach().numpy() - wanted) ** 2).mean()
        for found in (x[:, :4] @ weight.T + bias, cut)
    ]
    assert left[0] < 0.01 * left[1]


def test_an_input_that_was_never_seen_keeps_its_weights() -> None:
    """Bug: a neuron that is silent on some hundred rows is switched off for ever."""
    with own_rng():
        linear = nn.Linear(5, 3, bias=False)
    x = inputs(50, 5)
    x[:, 2] = 0
    fit = LinearFit(linear, torch.tensor([0, 1, 2, 3]))
    fit.count(x, linear(x).detach())
    weight, _ = fit.solve()
    torch.testing.assert_close(weight[:, 2], linear.weight[:, 2])


@pytest.mark.parametrize("shifts", [True, False])
def test_a_norm_is_fitted_coordinate_by_coordinate(shifts: bool) -> None:
    """Bug: the states become shorter by a third, and every layer behind the norm expects more."""
    with own_rng():
        norm = nn.LayerNorm(8, bias=shifts)
        nn.init.normal_(norm.weight, 1.0, 0.3)
        if shifts:
            nn.init.normal_(norm.bias)
    basis = torch.linalg.qr(inputs(8, 8)).Q[:, :5]
    x = inputs(400, 8) + 0.5
    y = norm(x).detach()
    fit = NormFit(norm, basis)
    for a, b in zip(x.split(90), y.split(90), strict=True):
        fit.count(a[None], b[None])
    scale, shift = fit.solve()
    short, wanted = (x @ basis).double().numpy(), (y @ basis).double().numpy()
    unit = (short - short.mean(1, keepdims=True)) / short.std(1, keepdims=True)
    for column in range(5):
        own = np.c_[unit[:, column], np.ones(400)] if shifts else unit[:, column : column + 1]
        best, *_ = np.linalg.lstsq(own, wanted[:, column], rcond=None)
        assert float(scale[column]) == pytest.approx(best[0], abs=1e-3)
        assert (shift is not None) == shifts
        if shift is not None:
            assert float(shift[column]) == pytest.approx(best[1], abs=1e-3)
