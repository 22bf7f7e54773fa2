"""Percentiles and ratios of measured samples, each with its 95 % interval.

All intervals are percentile bootstraps (Efron and Tibshirani 1993, chapter 13), seeded, but for
ratios of several processes, which are too few to draw from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Interval = tuple[float, float]
"""Lower and upper end at 95 %."""
_DRAWS = 2000
_ENDS = (2.5, 97.5)  # percentiles of what was resampled
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""The 97.5 % quantile of Student's t by degrees of freedom, from 1 on."""


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of samples, between two samples by linear interpolation."""

    p50: float
    p95: float
    p99: float
    n: int
    """Samples they were taken from."""
    intervals: Mapping[str, Interval]
    """Of `p50`, `p95` and `p99`. Where few samples lie beyond a percentile, its interval ends at
    the largest of them and is too narrow: p99 wants a thousand."""

    @classmethod
    def of(cls, samples: Sequence[float], seed: int = 0) -> "Percentiles":
        """Take them from samples in any order.

        Raises:
            ValueError: there are none.
        """
        if not len(samples):
            raise ValueError("percentiles of no samples")
        ordered = np.sort(np.asarray(samples, dtype=np.float64))
        rng = np.random.default_rng(seed)
        values = {name: float(np.percentile(ordered, share)) for name, share in _SHARES.items()}
        intervals = {
            name: _ends(_resampled(ordered, share / 100, rng)) for name, share in _SHARES.items()
        }
        return cls(**values, n=len(ordered), intervals=intervals)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, to a tenth of a microsecond where they are in ms."""
        values = {name: round(getattr(self, name), 4) for name in _SHARES}
        intervals = {name: [round(end, 4) for end in ends] for name, ends in self.intervals.items()}
        return {**values, "n": self.n, "intervals": intervals}


_SHARES = {"p50": 50, "p95": 95, "p99": 99}


def _resampled(ordered: Array, share: float, rng: np.random.Generator) -> Array:
    """Return (draws,) percentiles of resamples of (n,) sorted samples, none of which is built.

    A resample in order is `ordered[floor(n u)]` for n sorted uniform numbers u, of which only the
    two beside the percentile are wanted: the kth of n is Beta(k, n + 1 - k), and the next divides
    what is left of 1 by Beta(1, n - k). So a million samples cost no more than ten.
    """
    n = len(ordered)
    place = share * (n - 1)
    below = int(place)  # counted from 0
    first = rng.beta(below + 1, n - below, _DRAWS)
    low = ordered[_index(first, n)]
    if below + 1 >= n:
        return np.asarray(low)
    second = first + (1 - first) * rng.beta(1, n - below - 1, _DRAWS)
    return np.asarray(low + (place - below) * (ordered[_index(second, n)] - low))


def _index(uniform: Array, n: int) -> Array:
    return np.minimum((uniform * n).astype(np.int64), n - 1)


@dataclass(frozen=True)
class Ratio:
    """How many times as long one side takes as another."""

    value: float
    """Interquartile mean over the rounds of the logarithm of the ratio within a round: a quarter of
    them may be disturbed on either side, and it varies less than the median of the rest. Of several
    pairs of processes, the mean of theirs."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""

    @property
    def width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        """Print like `1.52 (1.50 to 1.55)`."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(slow: Sequence[Array], fast: Sequence[Array], seed: int, draws: int = 1000) -> Ratio:
    """Divide two sides' times round by round, with a 95 % interval.

    What slowed both times of a round cancels. The rounds of one pair of processes are drawn anew,
    whole. Several pairs are each one witness, however many their rounds: two processes of one
    program differ a little for good, by where their memory lies. Their interval is Student's t
    over the pairs' own ratios. A bootstrap of pairs and then rounds (Davison and Hinkley 1997,
    section 3.8) covers 77 to 86 % with three pairs that differ by 0.4 to 3 %, for it sees only two
    thirds of their variance and takes it for known; t over at least five covers 94 to 96.

    Args:
        slow: for each pair of processes, (rounds,) times of the numerator.
        fast: the times of the denominator in the same rounds.
        seed: gives the draws.
        draws: resamples.

    Raises:
        ValueError: the shapes differ, or there are no rounds.
    """
    if [x.shape for x in slow] != [x.shape for x in fast] or not all(x.size for x in slow):
        raise ValueError("times of other shapes, or none, are no pairs")
    logs = [np.log(above / below) for above, below in zip(slow, fast, strict=True)]
    if len(logs) > 1:
        return _between([midmean(group) for group in logs])
    rng, (group,) = np.random.default_rng(seed), logs
    drawn = (group[rng.integers(0, len(group), len(group))] for _ in range(draws))
    low, high = _ends(np.exp([midmean(one) for one in drawn]))
    return Ratio(float(np.exp(midmean(group))), low, high)


def _between(logs: Sequence[float]) -> Ratio:
    """Return the mean of two or more pairs' logarithms of a ratio, as a ratio."""
    freedom = len(logs) - 1
    quantile = _STUDENT[min(freedom, len(_STUDENT)) - 1]  # beyond the table a little too wide
    middle, half = float(np.mean(logs)), quantile * float(np.std(logs, ddof=1)) / sqrt(len(logs))
    low, value, high = np.exp([middle - half, middle, middle + half])
    return Ratio(float(value), float(low), float(high))


def midmean(values: Array) -> float:
    """Return the mean of the (n,) values without the lowest and the highest quarter."""
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def drift_ratio(early: Array, late: Array, seed: int) -> Ratio:
    """Divide the median of late samples by that of early ones, which are no pairs of them.

    Args:
        early: (N,) samples.
        late: (M,) samples.
        seed: gives the draws of the interval.
    """
    rng = np.random.default_rng(seed)
    late_medians, early_medians = (_resampled(np.sort(x), 0.5, rng) for x in (late, early))
    low, high = _ends(late_medians / early_medians)
    return Ratio(float(np.median(late) / np.median(early)), low, high)


def _ends(resampled: Array) -> Interval:
    low, high = np.percentile(resampled, _ENDS)
    return float(low), float(high)
