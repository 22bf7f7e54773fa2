"""Weights in 4 bits that expand to exact bytes by one multiplication of whole numbers."""

from dataclasses import dataclass

import numpy as np

from kdc.compress.examples import Array

LOWEST, HIGHEST = -8, 7
MOST = 15
"""The largest multiplier: it is stored in 4 bits, and -8 * 15 still fits a signed byte."""
_WIDEST = 64  # rows: with GPTQ 32 kept no more answers, and costs twice the multipliers


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
