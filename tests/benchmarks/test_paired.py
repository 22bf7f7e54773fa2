import importlib.util
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def paired(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("paired", root / "benchmarks" / "paired.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_side_has_its_turn_in_every_round_in_an_order_that_changes(
    paired: ModuleType,
) -> None:
    """A fixed order gives one side the caches that the other has just filled."""
    seen: list[tuple[int, int]] = []
    sides = [lambda number, side=side: seen.append((number, side)) for side in range(3)]
    samples = paired.take_turns(sides, rounds=8, seed=0, warm_up=2, settle=1)
    assert samples.cpu_ms.shape == samples.wall_ms.shape == (8, 3)
    turns = seen[2 * 3 * 2 :: 2]  # without the warm-up, and without the runs that only settle
    assert seen[2 * 3 * 2 + 1 :: 2] == turns
    rounds = [turns[start : start + 3] for start in range(0, 24, 3)]
    assert [{number for number, _ in each} for each in rounds] == [{n} for n in range(8)]
    assert all({side for _, side in each} == {0, 1, 2} for each in rounds)
    assert len({tuple(side for _, side in each) for each in rounds}) > 1
    seen, before = [], seen
    sides = [lambda number, side=side: seen.append((number, side)) for side in range(3)]
    paired.take_turns(sides, rounds=8, seed=0, warm_up=2, settle=1)
    assert seen == before


def test_waiting_counts_on_the_clock_alone(paired: ModuleType) -> None:
    """On a shared machine the clock measures the others; CPU time must not."""
    samples = paired.take_turns([lambda number: time.sleep(0.01)], 3, 0, warm_up=0, settle=0)
    assert np.median(samples.wall_ms) >= 10
    assert np.median(samples.cpu_ms) < 5
