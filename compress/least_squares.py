"""Layers fitted anew by least squares to what a teacher's layers were seen to do."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_RIDGE = 1e-3  # of the mean square of an input: keeps a layer near its own weights


class LinearFit:
    """The linear layer on kept inputs that comes nearest to what the whole one gives."""

    def __init__(self, linear: nn.Linear, kept: Tensor) -> None:
        self.kept = kept
        weight = linear.weight.detach().double().cpu()
        bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach().cpu()
        self._start = torch.cat([weight[:, kept].T, bias.double()[None]])
        self._inputs = torch.zeros((len(kept) + 1,) * 2, dtype=torch.double)
        self._outputs = torch.zeros((len(kept) + 1, len(weight)), dtype=torch.double)

    def count(self, inputs: Tensor, outputs: Tensor) -> None:
        """Count (..., K) inputs, of which the kept ones are taken, and (..., N) outputs."""
        x = F.pad(inputs.flatten(0, -2).cpu()[:, self.kept], (0, 1), value=1.0)
        self._inputs += (x.T @ x).double()
        self._outputs += (x.T @ outputs.flatten(0, -2).cpu()).double()

    def solve(self) -> tuple[Tensor, Tensor]:
        """Return the (N, k) weight and (N,) bias; what the rows do not tell stays as it was."""
        damped = self._inputs.clone()
        damped.diagonal()[:-1] += _RIDGE * self._inputs.diagonal()[:-1].mean()
        left = self._outputs - self._inputs @ self._start
        found = (self._start + torch.linalg.solve(damped, left)).float()
        return found[:-1].T.contiguous(), found[-1]


class NormFit:
    """The scale and shift with which a norm of shorter states comes nearest to the whole one."""

    def __init__(self, norm: nn.LayerNorm, basis: Tensor) -> None:
        self._epsilon, self._shifts = norm.eps, norm.bias is not None
        self._basis = basis
        self._sums = torch.zeros(5, basis.shape[1], dtype=torch.double)

    def count(self, inputs: Tensor, outputs: Tensor) -> None:
        """Count (..., H) states before and after the norm."""
        x, y = (part.flatten(0, -2).cpu() @ self._basis for part in (inputs, outputs))
        x = F.layer_norm(x, x.shape[1:], eps=self._epsilon)
        parts = (torch.ones_like(x), x, y, x * x, x * y)
        self._sums += torch.stack([part.sum(0) for part in parts]).double()

    def solve(self) -> tuple[Tensor, Tensor | None]:
        """Return (W,) scale and shift; a norm without a shift has none."""
        count, x, y, xx, xy = self._sums
        if not self._shifts:
            return (xy / xx.clamp(min=1e-12)).float(), None
        scale = (xy - x * y / count) / (xx - x * x / count).clamp(min=1e-12)
        return scale.float(), ((y - scale * x) / count).float()
