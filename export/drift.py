"""A run of minutes: does the latency change while it lasts, as it does where a phone gets warm?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdc.export.statistics import Array, Ratio, drift_ratio

_PARTS = 5  # that a run of less than a minute and a half is cut into
_MINUTE, _SECOND = 60_000.0, 1000.0  # ms


@dataclass(frozen=True)
class Drift:
    """How the wall time of a run of minutes changed."""

    minutes: float
    """How long it was."""
    first_ms: float
    """p50 of its first minute, or of its first part where it was short."""
    last_ms: float
    """p50 of its last."""
    ratio: Ratio
    """Last by first: above 1 it became slower."""
    by_minute: tuple[tuple[float, float, float | None], ...]
    """Minute at which each part began, and its p50 of wall and of CPU time in ms."""

    def as_dict(self) -> dict[str, Any]:
        """Return what a bench document says of it."""
        return {
            "minutes": round(self.minutes, 3),
            "first_ms": round(self.first_ms, 4),
            "last_ms": round(self.last_ms, 4),
            "ratio": round(self.ratio.value, 4),
            "interval": [round(self.ratio.low, 4), round(self.ratio.high, 4)],
            "by_minute": [
                [round(minute, 3), round(wall, 4), cpu if cpu is None else round(cpu, 4)]
                for minute, wall, cpu in self.by_minute
            ],
        }


def find_drift(wall_ms: Sequence[float], cpu_ms: Sequence[float], seed: int) -> Drift | None:
    """Cut a run into its minutes and compare the last with the first.

    Runs follow upon each other with next to no pause, so their times add up to a little less than
    the clock's: parts are equally long, each as near to a minute as that allows, and none takes in
    the minute before it. What disturbs a machine lasts longer than a run; so that a thousand
    disturbed runs are not taken for a thousand witnesses, the interval is over the medians of
    seconds.

    Args:
        wall_ms: wall time of every run, in order.
        cpu_ms: CPU time of the same runs; empty where the device does not tell.
        seed: gives the draws of the interval.

    Returns:
        None for fewer runs than parts.
    """
    wall, ends = np.asarray(wall_ms), np.cumsum(wall_ms)
    if len(wall) < 2 * _PARTS:
        return None
    parts = max(_PARTS if ends[-1] < 1.5 * _MINUTE else 2, round(ends[-1] / _MINUTE))
    length = ends[-1] / parts
    starts = ends - wall
    part = np.minimum(starts // length, parts - 1).astype(int)
    numbers = np.unique(part)  # a run longer than a part leaves some of them empty
    if len(numbers) < 2:
        return None
    cpu = np.asarray(cpu_ms) if len(cpu_ms) == len(wall) else None
    rows = tuple(
        (
            float(number * length / _MINUTE),
            float(np.median(wall[part == number])),
            None if cpu is None else float(np.median(cpu[part == number])),
        )
        for number in numbers
    )
    first, last = (
        _seconds(wall[part == number], starts[part == number]) for number in numbers[[0, -1]]
    )
    change = drift_ratio(first, last, seed)
    return Drift(float(ends[-1] / _MINUTE), rows[0][1], rows[-1][1], change, rows)


def _seconds(wall: Array, starts: Array) -> Array:
    """Return the median of each second's runs."""
    seconds = (starts // _SECOND).astype(int)
    return np.array([np.median(wall[seconds == second]) for second in np.unique(seconds)])
