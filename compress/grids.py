"""Weights in 4 bits that expand to exact bytes by one multiplication of whole numbers."""

from dataclasses import dataclass

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.rounding import HIGHEST, LOWEST

MOST = 15
"""The largest multiplier: it is stored in 4 bits, and -8 * 15 still fits a signed byte."""
_WIDEST = 64  # rows: with GPTQ 32 kept no more answers, and costs twice the multipliers
_NEAR = 1e-3  # of a step: far above fp32's rounding, far below what rows of chance would all meet
_PROBE = 16  # rows that tell most wrong scales


@dataclass(frozen=True)
class Grid:
    """The values that a (K, N) weight may take: nibble * multiplier of its block * column scale."""

    multipliers: Array
    """(K / block, N) whole numbers from 1 to 15, float32."""
    scale: Array
    """(N,) float32, one per output channel: the scale of the expanded bytes."""

    def steps(self) -> Array:
        """Return the distance between neighbouring values of every block, (K / block, N)."""
        return np.asarray(self.multipliers * self.scale)


def block_size(rows: int, most: int = _WIDEST) -> int:
    """Return the largest block up to `most` that divides `rows`; `rows` where only crumbs do."""
    best = max(size for size in range(1, min(most, rows) + 1) if rows % size == 0)
    return best if best >= 8 else rows


def fit_grid(weight: Array, block: int, importance: Array | None = None) -> Grid:
    """Choose the scales that round a weight with the smallest squared error.

    Args:
        weight: (K, N) float32.
        block: rows that share a multiplier; divides K.
        importance: (K,) how much an error in a row matters, such as the mean square of its input.
    """
    rows, columns = weight.shape
    blocks = weight.reshape(-1, block, columns)
    matter = np.ones(rows) if importance is None else importance / max(importance.mean(), 1e-30)
    matter = matter.astype(np.float32).reshape(-1, block)
    top = np.maximum(blocks.max(axis=1) / HIGHEST, blocks.min(axis=1) / LOWEST)
    widest = np.maximum(top.max(axis=0), np.float32(1e-30)) / MOST
    least = np.full(columns, np.inf)
    scale, multipliers = widest, np.ones_like(top)
    for share in np.linspace(1, 0.6, 5, dtype=np.float32):
        found, error = _fit_multipliers(blocks, widest * share, matter)
        better = error < least
        multipliers = np.where(better, found, multipliers)
        scale, least = np.where(better, widest * share, scale), np.minimum(error, least)
    return Grid(multipliers, scale.astype(np.float32))


def find_grid(weight: Array, block: int) -> Grid | None:
    """Return the grid that a (K, N) weight already lies on, to the rounding of its numbers.

    A model that was trained in 4 bits has such weights: any other grid would round them anew.

    Args:
        weight: (K, N) float32.
        block: rows that share a multiplier; divides K.

    Returns:
        None where it lies on none.
    """
    widest = np.abs(weight).max(axis=0)
    left = np.flatnonzero(widest)  # a column of zeros lies on every grid
    scale = np.ones(weight.shape[1], dtype=np.float32)
    multipliers = np.ones((len(weight) // block, weight.shape[1]), dtype=np.float32)
    for steps in range(1, -LOWEST * MOST + 1):
        near = left[_are_whole(weight[:_PROBE, left] * (steps / widest[left]))]
        if not len(near):
            continue
        whole = weight[:, near] * (steps / widest[near])
        times, fits = _divide(np.rint(whole).reshape(-1, block, len(near)))
        fits &= _are_whole(whole)
        found = near[fits]
        scale[found], multipliers[:, found] = widest[found] / steps, times[:, fits]
        left = np.setdiff1d(left, found)
    return None if len(left) else Grid(multipliers, scale)


def _are_whole(values: Array) -> Array:
    """Tell which columns hold whole numbers only."""
    return np.asarray((np.abs(values - np.rint(values)) < _NEAR).all(axis=0))


def _divide(blocks: Array) -> tuple[Array, Array]:
    """Find what turns (B, block, n) whole numbers into nibbles: (B, n), and where it can, (n,)."""
    times = np.zeros((len(blocks), blocks.shape[2]), dtype=np.float32)
    for multiplier in range(MOST, 0, -1):
        nibbles = blocks / multiplier
        fits = (nibbles == np.rint(nibbles)) & (nibbles >= LOWEST) & (nibbles <= HIGHEST)
        times = np.where(fits.all(axis=1), multiplier, times)
    return times, np.asarray((times > 0).all(axis=0))


def round_nearest(weight: Array, grid: Grid) -> Array:
    """Round a (K, N) weight to the nibbles nearest to it, (K, N) int8."""
    steps = np.repeat(grid.steps(), len(weight) // len(grid.multipliers), axis=0)
    return np.asarray(np.clip(np.rint(weight / steps), LOWEST, HIGHEST).astype(np.int8))


def expand(nibbles: Array, grid: Grid) -> Array:
    """Return the (K, N) float32 weight that nibbles stand for."""
    steps = np.repeat(grid.steps(), len(nibbles) // len(grid.multipliers), axis=0)
    return np.asarray(nibbles * steps)


def _fit_multipliers(blocks: Array, scale: Array, matter: Array) -> tuple[Array, Array]:
    """Return the best multiplier of every block, (B, N), and every column's error, (N,)."""
    best = np.ones((len(blocks), blocks.shape[2]), dtype=np.float32)
    least = np.full(best.shape, np.inf, dtype=np.float32)
    for multiplier in range(1, MOST + 1):
        step = (multiplier * scale).astype(np.float32)
        error = np.rint(blocks / step)
        np.clip(error, LOWEST, HIGHEST, out=error)
        error *= step
        error -= blocks
        error *= error
        lost = np.einsum("bkn,bk->bn", error, matter)
        best, least = np.where(lost < least, multiplier, best), np.minimum(lost, least)
    return best, least.sum(axis=0)
