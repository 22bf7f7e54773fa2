import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdc.export import turning
from kdc.export.jobs import SETTLING, Job
from kdc.export.turning import Turn, Turner


class Recorder:
    """Stands where the open model would: notes what it is asked and works as told."""

    load_ms = 1.0

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.tokens: list[Any] = []
        self._work = work

    def run(self, tokens: Any, types: Any) -> None:  # noqa: ANN401
        assert tokens.shape == types.shape and not types.any()
        self.tokens.append(tokens)
        self._work()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Turner, Recorder]]:
    def put(
        work: Callable[[], object] = lambda: None,
        **changes: Any,  # noqa: ANN401
    ) -> tuple[Turner, Recorder]:
        recorder = Recorder(work)
        monkeypatch.setattr(turning, "open_session", lambda path, threads, options: recorder)
        job = Job("m.onnx", [4, 9], (5, 100), threads=1, seconds=9.0)
        return Turner(replace(job, **changes)), recorder

    return put


def test_a_turn_begins_with_runs_that_do_not_count(
    opened: Callable[..., tuple[Turner, Recorder]],
) -> None:
    """The other models have just pushed this one's weights out of the caches."""
    pauses = iter([0.0] * (1 + SETTLING) + [0.05] * 3)
    turner, recorder = opened(lambda: time.sleep(next(pauses)))
    assert turner.take(Turn(3))["wall_ms"] >= 50
    assert len(recorder.tokens) == 1 + SETTLING + 3  # the very first run is none of the turn's


def test_all_runs_of_a_turn_are_of_one_length(
    opened: Callable[..., tuple[Turner, Recorder]],
) -> None:
    """Pairs of different lengths would be no pairs."""
    turner, recorder = opened()
    for _ in range(4):
        turner.take(Turn(2))
    turns = np.array([len(tokens) for tokens in recorder.tokens[1:]]).reshape(4, SETTLING + 2)
    assert (turns == turns[:, :1]).all() and sorted(turns[:, 0]) == [4, 4, 9, 9]
    assert len({tokens.tobytes() for tokens in recorder.tokens[1:]}) == turns.size


def test_the_order_of_lengths_is_the_seeds(
    opened: Callable[..., tuple[Turner, Recorder]],
) -> None:
    """Every model has a process of its own: only the seed makes their rounds pairs."""
    orders = []
    for ids in ((5, 100), (200, 900)):
        turner, recorder = opened(lengths=list(range(3, 20)), ids=ids, seed=3)
        for _ in range(20):
            turner.take(Turn(1))
        orders.append([len(tokens) for tokens in recorder.tokens])
    assert orders[0] == orders[1]


def test_a_disturbed_run_does_not_count(opened: Callable[..., tuple[Turner, Recorder]]) -> None:
    """On a busy machine every few runs another process comes in between."""
    pauses = iter([0.0] * (1 + SETTLING) + [0.05, 0.0, 0.0, 0.0])
    turner, _ = opened(lambda: time.sleep(next(pauses)))
    assert turner.take(Turn(4))["wall_ms"] < 20


def test_cpu_time_leaves_out_waiting(opened: Callable[..., tuple[Turner, Recorder]]) -> None:
    for threads in (1, 2):
        turner, _ = opened(lambda: time.sleep(0.02), threads=threads)
        times = turner.take(Turn(1))
        assert times["wall_ms"] >= 20 and times["cpu_ms"] < 10
