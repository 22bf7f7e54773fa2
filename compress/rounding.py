"""Rounding to few whole numbers, the same for a model that trains and for the file that ships.

Every formula takes numpy arrays or torch tensors and gives back the same kind. Whole numbers are
returned as floats: whoever stores them knows the bytes.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers", npt.NDArray[Any], "Tensor")

INT8 = 127
"""The largest step of symmetric signed bytes; -128 is left out."""
LOWEST, HIGHEST = -8, 7
"""What 4 bits hold."""
BLOCK = 64
"""Weights of a row that share a scale in 4 bits."""
FEW_ROWS = 1024
"""Tables of fewer rows save too little in 4 bits: positions are added to every token."""
LEAST_ROWS = 16
"""Tables of fewer rows, such as that of token types, save less than their extra nodes cost."""
_SHARES = [float(share) for share in np.linspace(1, 0.6, 17, dtype=np.float32)[1:]]
_LEAST = float(np.float16(6e-8))  # the smallest fp16 number: a scale of 0 would divide by zero


def library(numbers: Numbers) -> Any:  # noqa: ANN401 - a module
    """Return numpy or torch, whichever the numbers are of: their functions have the same names."""
    if isinstance(numbers, np.ndarray):
        return np
    import torch

    return torch


def fits_int4(rows: int, width: int) -> bool:
    """Whether a table is worth 4 bits: many rows, and of even width, for two go into a byte."""
    return rows >= FEW_ROWS and width % 2 == 0


def to_int8(groups: Numbers) -> tuple[Numbers, Numbers]:
    """Round (G, n) weights to -127 ... 127 with one scale per group: (G, n) and (G,).

    Nothing is clipped: with steps as fine as these, fitted scales changed no figure.
    """
    of = library(groups)
    scale = of.amax(of.abs(groups), axis=1) / INT8
    scale = scale + (scale == 0)
    return of.clip(of.round(groups / scale[:, None]), -INT8, INT8), scale


def fit_scales(groups: Numbers, shares: list[float] = _SHARES) -> Numbers:
    """Find, for each group of weights, the scale in 4 bits with the smallest squared error.

    Clipping the few largest weights makes the steps of all others finer; whether that pays is
    tried out, at some shares of the scale that clips nothing.

    Args:
        groups: (G, n) float32 weights; a group shares one scale.
        shares: shares of the widest scale that are tried beside it.

    Returns:
        (G,) scales, 1 where a group is all zero.
    """
    of = library(groups)
    widest = of.maximum(of.amax(groups, axis=1) / HIGHEST, of.amin(groups, axis=1) / LOWEST)
    widest = widest + (widest == 0)
    best: Numbers = widest
    least = _error(groups, widest)
    for share in shares:
        scale = widest * share
        error = _error(groups, scale)
        best, least = of.where(error < least, scale, best), of.minimum(error, least)
    return best


def _error(groups: Numbers, scale: Numbers) -> Numbers:
    """Return each group's squared error, (G,), at its scale."""
    of = library(groups)
    lost = of.round(groups / scale[:, None])
    of.clip(lost, LOWEST, HIGHEST, out=lost)
    lost *= scale[:, None]
    lost -= groups
    found: Numbers = of.einsum("gn,gn->g", lost, lost)
    return found


def to_int4(rows: Numbers) -> tuple[Numbers, Numbers]:
    """Round (V, H) rows to -8 ... 7 with a scale for every 64 weights; a last block is shorter.

    Returns:
        (V, H) whole numbers and (V, blocks) scales, of which each is an fp16 number.
    """
    of, width = library(rows), rows.shape[1]
    whole = width - width % BLOCK
    parts = [_int4(rows[:, :whole].reshape(-1, BLOCK))] if whole else []
    parts += [_int4(rows[:, whole:])] if width > whole else []
    values = [part.reshape(len(rows), -1) for part, _ in parts]
    scales = [scale.reshape(len(rows), -1) for _, scale in parts]
    return of.concatenate(values, axis=1), of.concatenate(scales, axis=1)


def _int4(groups: Numbers) -> tuple[Numbers, Numbers]:
    of = library(groups)
    scale = of.clip(_halved(fit_scales(groups)), _LEAST, None)
    return of.clip(of.round(groups / scale[:, None]), LOWEST, HIGHEST), scale


def _halved(scale: Numbers) -> Numbers:
    """Round to the nearest fp16 numbers, as float32."""
    if isinstance(scale, np.ndarray):
        return scale.astype(np.float16).astype(np.float32)
    return scale.half().float()


def from_int4(whole: Numbers, scale: Numbers) -> Numbers:
    """Return the (V, H) weights that `to_int4`'s whole numbers and scales stand for."""
    of, width = library(whole), whole.shape[1]
    spread = of.repeat if of is np else of.repeat_interleave
    weights: Numbers = whole * spread(scale, BLOCK, 1)[:, :width]
    return weights
