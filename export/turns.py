"""Several models in turns, run by run: what disturbs the machine then disturbs all of them alike.

In each round every model has its turn, in an order that is drawn anew, all on one core, which is
drawn too: the cores of a busy machine are not equally busy, nor equally fast.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any

import numpy as np

from kdc.export.jobs import Job, Reading
from kdc.export.turning import END, MOST_RUNS, MOST_SETTLING, Turn

Side = Callable[[object], dict[str, Any]]
"""Asks the process of one model (`kdc.export.turning`)."""
WARM_UP = 3
"""Rounds that do not count."""
_TURN_MS = 12.0  # of CPU time for the runs of a turn that count; of long ones it is one run


def take_turns(sides: Sequence[Side], jobs: Sequence[Job]) -> list[Reading]:
    """Run all models in turns until the fewest runs, or the seconds of all together, are over.

    Args:
        sides: one for each job.
        jobs: of equally many lengths and one seed, so that all run texts of the same length.

    Raises:
        KdcError: what a side raises.
    """
    rng = np.random.default_rng(jobs[0].seed)
    opened: list[dict[str, Any]] = [{}] * len(sides)
    for number in rng.permutation(len(sides)):  # what memory is left differs
        opened[number] = sides[number](asdict(jobs[number]))
    alone = max(job.threads for job in jobs) == 1
    rounds, seconds = min(job.runs for job in jobs), sum(job.seconds for job in jobs)
    taken: list[list[dict[str, float]]] = [[] for _ in jobs]
    first = [Turn(1, 1)] * len(sides)
    warm = [_round(sides, first, alone, rng) for _ in range(WARM_UP)]
    turns = _choose_turns(jobs, list(zip(*warm, strict=True)))
    end = perf_counter() + seconds
    while not taken[0] or (len(taken[0]) < rounds and perf_counter() < end):
        for found, times in zip(taken, _round(sides, turns, alone, rng), strict=True):
            found.append(times)
    return [
        Reading(
            wall_ms=[times["wall_ms"] for times in found],
            cpu_ms=[times["cpu_ms"] for times in found],
            **told,
            **side(END),
        )
        for side, told, found in zip(sides, opened, taken, strict=True)
    ]


def _choose_turns(jobs: Sequence[Job], warm: Sequence[tuple[dict[str, float], ...]]) -> list[Turn]:
    """Return what a turn of each side is, from the rounds that do not count.

    A short run is settled and repeated as often as its turn has time for; sides with one and the
    same model, such as the control, as often as each other.
    """
    least: dict[str, float] = {}
    for job, times in zip(jobs, warm, strict=True):
        took = min(one["cpu_ms"] for one in times) / job.threads
        least[job.model] = min(took, least.get(job.model, took))
    chosen = []
    for job in jobs:
        fits = _TURN_MS / max(least[job.model], 1e-3)
        runs, settling = np.clip([fits, fits / 2], 1, [MOST_RUNS, MOST_SETTLING]).astype(int)
        chosen.append(Turn(int(runs), int(settling)))
    return chosen


def _round(
    sides: Sequence[Side], turns: Sequence[Turn], alone: bool, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Give every side its turn; return their times in the order of the sides.

    Args:
        sides: whose turn it is, in a drawn order.
        turns: what each does.
        alone: whether each runs on one thread, so that all can be put on one core.
        rng: draws order and core.
    """
    core = int(rng.choice(_cores())) if alone and sys.platform == "linux" else None
    times: list[dict[str, float]] = [{}] * len(sides)
    for number in rng.permutation(len(sides)):
        times[number] = sides[number](asdict(replace(turns[number], core=core)))
    return times


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
