"""Training a model as it will be rounded: its forward pass sees what the shipped file computes.

Weights, embeddings and what flows into linear layers are rounded on the way forward, and gradients
pass as if they were not (Bengio et al. 2013, arXiv 1308.3432; Jacob et al. 2018, arXiv 1712.05877).
The formulas are those of `rounding`, `grids` and `outliers`, by which `kdc export` rounds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Array
from kdc.compress.compact import CompactEmbedding
from kdc.compress.examples import Examples
from kdc.compress.fake_inputs import RoundedInputs, straight_through
from kdc.compress.families import FIRST_TOKEN
from kdc.compress.gptq import compensated
from kdc.compress.grids import block_size, find_grid, fit_grid
from kdc.compress.layer_inputs import find_outliers, second_moments
from kdc.compress.low_rank import LowRankEmbedding
from kdc.compress.outliers import Outliers
from kdc.compress.rounding import (
    HIGHEST,
    LEAST_ROWS,
    LOWEST,
    fits_int4,
    from_int4,
    to_int4,
    to_int8,
)
from kdc.compress.stages import INT4, INT8


class FakeQuantization:
    """A model with rounding in its forward pass, until `settle`."""

    def __init__(
        self,
        model: Model,
        method: str,
        *,
        pair: bool,
        rows: Examples | None = None,
        padding: int = 0,
    ) -> None:
        """Begin to round, in place.

        In 4 bits the weights first move to where GPTQ would round them from: the model then begins
        as good as the exporter would have made it, and learns from there. Outlier channels of
        activations are looked for once, now; the exporter looks again when all is trained.

        A factorised embedding is left as it is: the exporter chooses the factors' directions anew,
        and rounds them there.

        Args:
            model: any encoder with a head; its parameters stay the same objects.
            method: `int8-dynamic`, `int8-embeddings4` or `int4`, as `kdc export` knows them.
            pair: whether it is asked about two texts.
            rows: the calibration rows, for GPTQ and outliers; None leaves the weights where they
                are, and knows no outliers unless `restore` brings some.
            padding: the padding token's id.
        """
        self._linears = {
            name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)
        }
        four = method == INT4
        seen = second_moments(model, self._linears, rows, padding) if four and rows else {}
        self._outliers = find_outliers(model, self._linears, rows, padding) if rows else {}
        for name, linear in self._linears.items():
            rounding = _OnGrid(linear.weight, seen.get(name)) if four else _PerRow()
            parametrize.register_parametrization(linear, "weight", rounding)
        self._tables = _tables(model, method, pair=pair)
        self._hooks = [table.module.register_forward_hook(table.hook) for table in self._tables]
        self._hooks += RoundedInputs(model, self._outliers).hooks(self._linears)

    def tensors(self) -> dict[str, Tensor]:
        """Return the outliers as (1 + n,) float32 each: the limit, then the n channels."""
        return {
            f"{name}/{call}": torch.tensor([found.limit, *found.channels])
            for (name, call), found in self._outliers.items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        self._outliers.clear()
        for key, values in tensors.items():
            name, call = key.rsplit("/", 1)
            limit, *channels = values.tolist()
            self._outliers[name, int(call)] = Outliers(tuple(map(int, channels)), limit)

    def settle(self) -> None:
        """Round no longer, and leave the weights at the values that they were rounded to."""
        for hook in self._hooks:
            hook.remove()
        for linear in self._linears.values():
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)
        for table in self._tables:
            table.settle()


# -- weights ---------------------------------------------------------------------------------------


class _PerRow(nn.Module):
    """Rounds an (N, K) weight to bytes with a scale for every output."""

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight."""
        return straight_through(weight, _to_bytes)


class _OnGrid(nn.Module):
    """Rounds an (N, K) weight to the grid of 4 bits that fitted it best when rounding began.

    The exporter finds the weights of a trained model on a grid and leaves them there.
    """

    def __init__(self, weight: Tensor, moments: Array | None) -> None:
        """Fit the grid; where moments (K, K) are given, move the weight for GPTQ, in place."""
        super().__init__()
        columns = weight.detach().float().cpu().T.numpy()
        block = block_size(len(columns))
        grid = find_grid(columns, block)
        if grid is None and moments is not None and moments.any():
            grid = fit_grid(columns, block, np.diag(moments))
            moved = compensated(columns, grid, moments)
            with torch.no_grad():
                weight.copy_(torch.from_numpy(moved.T))
        grid = grid or fit_grid(columns, block)
        steps = torch.from_numpy(grid.steps().T)
        self.register_buffer("steps", steps.contiguous().to(weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight."""
        return straight_through(weight, self._round)

    def _round(self, weight: Tensor) -> Tensor:
        steps = self.get_buffer("steps")[:, :, None]
        blocks = weight.view(*steps.shape[:2], -1)
        return (blocks / steps).round_().clamp_(LOWEST, HIGHEST).mul_(steps).view_as(weight)


def _to_bytes(rows: Tensor) -> Tensor:
    whole, scale = to_int8(rows)
    return whole * scale[:, None]


def _to_nibbles(rows: Tensor) -> Tensor:
    return from_int4(*to_int4(rows))


# -- embeddings ------------------------------------------------------------------------------------


class _Table:
    """An embedding whose rows are rounded as they are looked up."""

    def __init__(
        self, module: nn.Module, rounding: Callable[[Tensor], Tensor], beside: nn.Module | None
    ) -> None:
        self.module = module
        self._rounding = rounding
        self._beside = beside

    def hook(self, module: Any, args: Any, out: Tensor) -> Tensor:  # noqa: ANN401
        """Round the rows (..., H) that were looked up."""
        return straight_through(out, self._round)

    @torch.no_grad()
    def settle(self) -> None:
        """Leave the table rounded."""
        weight = self.module.weight
        assert isinstance(weight, Tensor)
        weight.copy_(self._round(weight))

    def _round(self, rows: Tensor) -> Tensor:
        flat, added = rows.reshape(-1, rows.shape[-1]), torch.zeros(())
        if self._beside is not None:
            assert isinstance(self._beside.weight, Tensor)
            added = self._beside.weight.detach()[0]
        return (self._rounding(flat + added) - added).view_as(rows)


def _tables(model: Model, method: str, *, pair: bool) -> list[_Table]:
    """Return the embeddings that the method rounds."""
    held = model.get_input_embeddings()
    modules = dict(model.named_modules())
    types = next((m for n, m in modules.items() if n.endswith("token_type_embeddings")), None)
    one_type = types is not None and (not pair or len(types.weight) == 1)
    found = []
    for name, module in modules.items():
        inside = isinstance(held, LowRankEmbedding) and module is held.narrow
        if inside or not isinstance(module, nn.Embedding | CompactEmbedding):
            continue
        full = isinstance(module, nn.Embedding)
        rows = len(module.weight) if full else len(module.get_buffer("slots"))
        if rows < LEAST_ROWS:
            continue
        small = method != INT8 and fits_int4(rows, module.weight.shape[1])
        added = name.endswith("position_embeddings") and one_type
        beside = types if added and model.config.model_type in FIRST_TOKEN else None
        found.append(_Table(module, _to_nibbles if small else _to_bytes, beside))
    return found
