"""Probabilities in 8 or 16 bits, on a grid that is even in their logarithm.

Code c stands for exp(-c step), so that every probability is off by the same share of itself: with
8 bits down to exp(-14) by at most 2.8 %. What is less probable, and 0, has the last code, which
stands for 0. Whoever reads a place's codes divides by their sum: it is the codes' own rounding.
"""

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def code_type(bits: int) -> type[np.uint8] | type[np.uint16]:
    """Return what holds a code."""
    return np.uint8 if bits == 8 else np.uint16


def step(bits: int, spread: float) -> float:
    """Return how far two neighbours are apart, in natural logarithms."""
    return float(spread / (2**bits - 2))


def table(bits: int, spread: float) -> npt.NDArray[np.float32]:
    """Return (2**bits,) the probability that each code stands for."""
    values = np.exp(-step(bits, spread) * np.arange(2**bits))
    values[-1] = 0.0
    return values.astype(np.float32)
