from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from kdc.export.jobs import Job
from kdc.export.turning import END, MOST_RUNS
from kdc.export.turns import WARM_UP, take_turns

JOB = Job("m.onnx", [4, 9], (5, 100), 1, seconds=60.0, runs=8)
OPENED = {"load_ms": 5.0, "first_ms": 2.0, "onnxruntime": "1.31.1"}


class Sides:
    """Pretends to be the processes of models, each as slow as told."""

    def __init__(self, *wall_ms: float, cpu_ms: tuple[float, ...] = ()) -> None:
        self.wall_ms, self.cpu_ms = wall_ms, cpu_ms
        self.asked: list[tuple[int, Any]] = []

    def all(self) -> list[Callable[[object], dict[str, Any]]]:
        return [self._side(number) for number in range(len(self.wall_ms))]

    @property
    def turns(self) -> list[tuple[int, dict[str, Any]]]:
        return [(side, asked) for side, asked in self.asked if "core" in asked]

    def _side(self, number: int) -> Callable[[object], dict[str, Any]]:
        def ask(question: Any) -> dict[str, Any]:  # noqa: ANN401
            self.asked.append((number, question if question == END else dict(question)))
            if question == END:
                return {"peak_rss_bytes": 7, "private_bytes": number}
            if "model" in question:
                return OPENED
            count = sum(side == number for side, _ in self.turns)
            cpu_ms = self.cpu_ms[number] if self.cpu_ms else float(count)
            return {"wall_ms": self.wall_ms[number], "cpu_ms": cpu_ms}

        return ask


def test_every_side_has_its_turn_in_every_round_in_an_order_that_changes() -> None:
    """A fixed order gives one side the caches that the other has just filled."""
    jobs = [Job(**{**asdict(JOB), "runs": 20 - number}) for number in range(3)]
    sides = Sides(1.0, 1.0, 1.0)
    take_turns(sides.all(), jobs)
    order = [side for side, _ in sides.turns]
    rounds = [tuple(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert len(rounds) == WARM_UP + 18  # the fewest runs of a job
    assert {tuple(sorted(each)) for each in rounds} == {(0, 1, 2)}
    assert len(set(rounds)) > 1


def test_a_rounds_turns_are_on_one_core() -> None:
    """The cores of a busy machine are not equally busy: a side that has the free one would win."""
    sides = Sides(1.0, 1.0)
    take_turns(sides.all(), [JOB, JOB])
    cores = [asked["core"] for _, asked in sides.turns]
    assert all(one == other for one, other in zip(cores[::2], cores[1::2], strict=True))


def test_models_of_several_threads_are_not_put_on_one_core() -> None:
    sides = Sides(1.0, 1.0)
    job = Job(**{**asdict(JOB), "threads": 2})
    take_turns(sides.all(), [job, job])
    assert {asked["core"] for _, asked in sides.turns} == {None}


@pytest.mark.parametrize(
    ("took", "runs"), [(0.01, MOST_RUNS), (3.0, 4), (50.0, 1), (0.0, MOST_RUNS)]
)
def test_short_runs_are_repeated_within_a_turn(took: float, runs: int) -> None:
    """A model that is slow on a busy machine, by the clock alone, would be taken for a long one."""
    sides = Sides(900.0, 900.0, cpu_ms=(took, took))
    take_turns(sides.all(), [JOB, JOB])
    asked = [asked["runs"] for _, asked in sides.turns]
    assert set(asked[2 * WARM_UP :]) == {runs} and set(asked[: 2 * WARM_UP]) == {1}


def test_all_sides_repeat_as_often_as_the_slowest_has_time_for() -> None:
    """The least of more runs is less: the faster model was flattered by 3 to 8 %.

    The control, which is twice the same model, could not see it.
    """
    sides = Sides(1.0, 1.0, 1.0, cpu_ms=(0.5, 6.0, 1.5))
    take_turns(sides.all(), [JOB, replace(JOB, model="other.onnx"), JOB])
    assert {asked["runs"] for _, asked in sides.turns[3 * WARM_UP :]} == {2}


def test_samples_stand_in_the_order_of_the_rounds() -> None:
    """Sample by sample they are pairs."""
    one, other = take_turns(Sides(1.0, 2.0).all(), [JOB, JOB])
    assert one.cpu_ms == other.cpu_ms == [float(WARM_UP + n) for n in range(1, 9)]
    assert one.wall_ms == [1.0] * 8 and other.wall_ms == [2.0] * 8
    assert (other.load_ms, other.first_ms, other.private_bytes) == (5.0, 2.0, 1)


def test_the_seconds_of_all_together_end_it() -> None:
    job = Job(**{**asdict(JOB), "seconds": 0.0, "runs": 1000})
    one, other = take_turns(Sides(1.0, 1.0).all(), [job, job])
    assert len(one.wall_ms) == len(other.wall_ms) == 1
