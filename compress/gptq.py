"""GPTQ: round a weight row by row, and let the rows to come make up for each error.

Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", arXiv 2210.17323.
"""

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.grids import Grid, round_nearest
from kdc.compress.rounding import HIGHEST, LOWEST

_DAMP = 0.01  # share of the mean diagonal that is added to it; the paper's
_CHUNK = 128  # rows whose corrections are applied to the rest at once


def compensated(weight: Array, grid: Grid, moments: Array) -> Array:
    """Move a weight so that x @ weight changes least, on the inputs seen, when it is rounded.

    Rows are taken in falling order of their input's mean square: the most used ones are rounded
    while there are still others left to make up for them.

    Args:
        weight: (K, N) float32.
        grid: the values it may take.
        moments: (K, K) sum of x x^T over the inputs.

    Returns:
        (K, N) float32: every row as it is just before it is rounded to the nearest values, with
        the errors of the rows before it made up for.
    """
    block = len(weight) // len(grid.multipliers)
    order = np.argsort(-np.diag(moments), kind="stable")
    steps = np.repeat(grid.steps(), block, axis=0)[order]
    left = weight[order].astype(np.float32)
    factor = _inverse_factor(moments[np.ix_(order, order)])
    for start in range(0, len(left), _CHUNK):
        end = min(start + _CHUNK, len(left))
        errors = np.empty((end - start, left.shape[1]), dtype=np.float32)
        for row in range(start, end):
            rounded = np.clip(np.rint(left[row] / steps[row]), LOWEST, HIGHEST) * steps[row]
            error = (left[row] - rounded) / factor[row, row]
            left[row + 1 : end] -= np.outer(factor[row, row + 1 : end], error)
            errors[row - start] = error
        left[end:] -= factor[start:end, end:].T @ errors
    found = np.empty_like(left)
    found[order] = left
    return found


def round_gptq(weight: Array, grid: Grid, moments: Array) -> Array:
    """Round a (K, N) weight by GPTQ: (K, N) int8 nibbles; the arguments are `compensated`'s."""
    return round_nearest(compensated(weight, grid, moments), grid)


def _inverse_factor(moments: Array) -> Array:
    """Return U of H^-1 = U^T U, upper triangular, (K, K) float32; H is the damped `moments`."""
    damped = moments.astype(np.float64)
    mean = float(np.diag(damped).mean()) or 1.0
    damped[np.diag_indices_from(damped)] += _DAMP * mean
    inverse = np.linalg.inv(damped)
    return np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float32))
