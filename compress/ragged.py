"""Rows of unequal length in one flat array: where each begins, and how long it is."""

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Index


def ragged(starts: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> Index:
    """Return the positions of several stretches, one after the other.

    Args:
        starts: (N,) where each begins.
        counts: (N,) how long it is.
    """
    return np.repeat(starts.astype(np.int64), counts) + within(counts)


def within(counts: npt.NDArray[np.integer]) -> Index:
    """Return the places inside several stretches of (N,) lengths: 0, 1, ... anew for each."""
    lengths = counts.astype(np.int64)
    before = np.cumsum(lengths) - lengths
    found: Index = np.arange(int(lengths.sum())) - np.repeat(before, lengths)
    return found
