"""The core of a fair comparison: the sides take turns on the same texts, in a seeded order.

What disturbs the machine then disturbs all of them alike, and every round is a pair of times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Side = Callable[[int], object]
"""Does the work of one round, whose number it is given."""


@dataclass(frozen=True)
class Samples:
    """What every side took in every round."""

    cpu_ms: Array
    """(rounds, sides) CPU time of the calling thread, which does all the work of one run."""
    wall_ms: Array
    """(rounds, sides) time on the clock."""


def take_turns(
    sides: Sequence[Side], rounds: int, seed: int, warm_up: int = 5, settle: int = 1
) -> Samples:
    """Time every side once in every round, in an order that changes from round to round.

    Args:
        sides: what is compared.
        rounds: samples to take of each side.
        seed: gives the orders.
        warm_up: rounds before the first that counts.
        settle: runs of a side before each timed one: the others have just pushed its weights out
            of the caches, and in an app nothing does.
    """
    rng = np.random.default_rng(seed)
    cpu_ms, wall_ms = np.zeros((2, rounds, len(sides)))
    for number in range(-warm_up, rounds):
        for side in rng.permutation(len(sides)):
            for _ in range(settle):
                sides[side](number % rounds)
            wall, cpu = perf_counter(), thread_time()
            sides[side](number % rounds)
            cpu_end, wall_end = thread_time(), perf_counter()
            if number >= 0:
                cpu_ms[number, side] = (cpu_end - cpu) * 1e3
                wall_ms[number, side] = (wall_end - wall) * 1e3
    return Samples(cpu_ms, wall_ms)
