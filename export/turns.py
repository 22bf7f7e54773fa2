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
from kdc.export.turning import END, MOST_RUNS, Turn

Side = Callable[[object], dict[str, Any]]
"""Asks the process of one model (`kdc.export.turning`)."""
WARM_UP = 3
"""Rounds that do not count."""
_TURN_MS = 12.0  # of CPU time for the slowest model's runs of a turn; of a long one it is one run


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
    warm = [_round(sides, Turn(1), alone, rng) for _ in range(WARM_UP)]
    turn = _choose_turn(jobs, list(zip(*warm, strict=True)))
    end = perf_counter() + seconds
    while not taken[0] or (len(taken[0]) < rounds and perf_counter() < end):
        for found, times in zip(taken, _round(sides, turn, alone, rng), strict=True):
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


def _choose_turn(jobs: Sequence[Job], warm: Sequence[tuple[dict[str, float], ...]]) -> Turn:
    """Return what a turn is, from the rounds that do not count: the slowest model's share of time.

    All sides repeat as often as each other, for the least of more runs is less: of one model the
    least of two was 3 to 5 % above the least of twelve, which would go to the faster model's
    credit, and the control, twice the same model, could not see it.
    """
    sides = zip(jobs, warm, strict=True)
    slowest = max(min(one["cpu_ms"] for one in times) / job.threads for job, times in sides)
    return Turn(int(np.clip(_TURN_MS / max(slowest, 1e-3), 1, MOST_RUNS)))


def _round(
    sides: Sequence[Side], turn: Turn, alone: bool, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Give every side its turn; return their times in the order of the sides.

    Args:
        sides: whose turn it is, in a drawn order.
        turn: what each does.
        alone: whether each runs on one thread, so that all can be put on one core.
        rng: draws order and core.
    """
    core = int(rng.choice(_cores())) if alone and sys.platform == "linux" else None
    times: list[dict[str, float]] = [{}] * len(sides)
    for number in rng.permutation(len(sides)):
        times[number] = sides[number](asdict(replace(turn, core=core)))
    return times


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
