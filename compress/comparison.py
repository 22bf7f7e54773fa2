"""Is one model better than another on the same rows, or is it chance?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.metrics import scorer
from kdc.compress.task import Task

_RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """By how much a student's metric is above another model's."""

    split: str
    """On which rows."""
    difference: float
    """As a fraction: 0.01 is a point."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""

    @property
    def within_noise(self) -> bool:
        """Whether the interval holds 0: these rows cannot tell the two apart."""
        return self.low <= 0 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "split": self.split,
            "difference": round(self.difference, 6),
            "interval": [round(self.low, 6), round(self.high, 6)],
            "within_noise": self.within_noise,
        }


def compare(split: str, ours: Array, theirs: Array, gold: Array, task: Task) -> Comparison:
    """Compare two models by a paired bootstrap of 1,000 seeded resamples of the rows.

    Both answer the same resample, so that what is hard for both does not widen the interval, which
    runs from the 2.5th to the 97.5th percentile (Efron and Tibshirani 1993, chapter 13).

    Args:
        split: the name of the rows.
        ours: (N, C) the student's logits.
        theirs: (N, C) the other model's.
        gold: (N,), or (N, C) of several labels, the truth.
        task: what is measured.
    """
    n = len(gold)
    a, b = (scorer(task.metric, logits, gold) for logits in (ours, theirs))
    every, rng = np.arange(n), np.random.default_rng(0)
    picks = (rng.integers(0, n, n) for _ in range(_RESAMPLES))
    lost = [a(pick) - b(pick) for pick in picks]
    low, high = (float(end) for end in np.percentile(lost, [2.5, 97.5]))
    return Comparison(split, a(every) - b(every), low, high)
