"""Many samples as few: what all of them say, and an even choice of them to keep."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Literal

import numpy as np

from kdc.export.drift import Drift, find_drift
from kdc.export.jobs import Reading
from kdc.export.statistics import Percentiles, Ratio

KEPT = 20_000
"""Samples of a run that are kept; one of minutes has millions."""
Samples = Literal["wall_ms", "cpu_ms", "instructions"]


def thin(reading: Reading, wall_ms: Sequence[float], cpu_ms: Sequence[float], seed: int) -> Reading:
    """Return a reading with its samples, or with some of them and what all of them say.

    Args:
        reading: one without samples.
        wall_ms: wall time of every run, in order.
        cpu_ms: CPU time of the same runs.
        seed: gives the draws of the drift's interval.
    """
    whole = {}
    if len(wall_ms) > KEPT:
        drift = find_drift(wall_ms, cpu_ms, seed)
        spreads = {"wall_ms": Percentiles.of(wall_ms), "cpu_ms": Percentiles.of(cpu_ms)}
        whole = {name: asdict(spread) for name, spread in spreads.items()}
        whole["drift"] = {} if drift is None else asdict(drift)
    return replace(reading, wall_ms=evenly(wall_ms), cpu_ms=evenly(cpu_ms), whole=whole)


def evenly(samples: Sequence[float]) -> list[float]:
    """Return samples, or as many as are kept, evenly spaced, where there are more."""
    if len(samples) <= KEPT:
        return list(samples)
    chosen = np.linspace(0, len(samples) - 1, KEPT).astype(int)
    kept: list[float] = np.asarray(samples)[chosen].tolist()
    return kept


def percentiles(reading: Reading, name: Samples) -> Percentiles | None:
    """Return those of all samples of that name; None where there are none."""
    if name in reading.whole:
        return Percentiles(**reading.whole[name])
    samples: list[float] | list[int] = getattr(reading, name)
    return Percentiles.of(samples) if samples else None


def drift_of(reading: Reading, seed: int) -> Drift | None:
    """Return that of all samples (`find_drift`)."""
    if "drift" not in reading.whole:
        return find_drift(reading.wall_ms, reading.cpu_ms, seed)
    told = reading.whole["drift"]
    return Drift(**{**told, "ratio": Ratio(**told["ratio"])}) if told else None
