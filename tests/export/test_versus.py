from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices import host
from kdc.export.devices.device import Device
from kdc.export.jobs import Job, Reading
from kdc.export.statistics import Ratio
from kdc.export.versus import MOST_PROCESSES, PROCESSES, Contest, compare

EMPTY = Reading(1.0, 1.0, [], [], 1, 1, "1.31.1")


class Machine:
    """A device on which models take as long as told, in rounds that are all disturbed."""

    def __init__(self, noise: float = 0.001, **times: float) -> None:
        self.times, self.noise = times, noise
        self.asked: list[Sequence[Job]] = []
        self.control = 1.0

    def turns(self, jobs: Sequence[Job], address: str) -> list[Reading]:
        self.asked.append(jobs)
        rng = np.random.default_rng(len(self.asked))
        machine = rng.uniform(1.0, 3.0, jobs[0].runs)
        found = []
        for job in jobs:
            own = machine * self.times[job.model] * rng.normal(1.0, self.noise, jobs[0].runs)
            found.append(own * (self.control if job is jobs[-1] else 1.0))
        return [replace(EMPTY, wall_ms=(2 * t).tolist(), cpu_ms=t.tolist()) for t in found]

    def contest(self, against: tuple[str, ...] = ("slow",), **changes: Any) -> Contest:  # noqa: ANN401
        device: Device = replace(host.DEVICE, turns=self.turns)
        jobs = {
            name: Job(name, [number + 3, 8], (5 * number, 100 - number), 1, 4.0, runs=60)
            for number, name in enumerate(self.times)
        }
        usual = {"device": device, "device_name": "host", "address": "", "length": 8}
        return Contest(
            **{**usual, "jobs": jobs, "models": ("fast",), "against": against, **changes}
        )


def test_a_ratio_is_how_much_faster_the_model_is() -> None:
    """The other way round, the slower model would be praised."""
    (found,) = compare(Machine(fast=1.0, slow=2.5).contest())
    assert (found.model, found.against, found.clock) == ("fast", "slow", "cpu")
    assert found.ratio.low <= 2.5 <= found.ratio.high and found.ratio.width < 0.01
    assert abs(found.control.value - 1) < 0.002 and found.pairs == 60
    told = found.as_dict()
    assert told["latency_ratio"] == round(found.ratio.value, 4)
    assert told["aa_interval"][0] <= 1 <= told["aa_interval"][1] and "refused" not in told


def test_a_control_that_is_off_refuses_the_ratio() -> None:
    """A ratio that the machine made would be printed as the model's."""
    machine = Machine(fast=1.0, slow=2.5)
    machine.control = 1.05
    (found,) = compare(machine.contest())
    told = found.as_dict()
    assert told["latency_ratio"] is None and told["interval"] is None
    assert told["aa_ratio"] > 1.03 and "against itself came out as 1.05" in told["refused"]


def test_a_control_that_cannot_tell_refuses_the_ratio() -> None:
    """A control of 0.971 (0.71 to 1.40) passed, for only its middle was looked at."""
    (measured,) = compare(Machine(fast=1.0, slow=2.5).contest())
    for low, high, refused in [(0.71, 1.40, True), (0.95, 1.02, True), (0.98, 1.02, False)]:
        found = replace(measured, control=Ratio(0.985, low, high))
        assert (found.as_dict()["latency_ratio"] is None) == refused
        assert ("wider than 3%" in str(found.refused)) == refused


def test_a_model_against_itself_is_measured_in_two_processes() -> None:
    """One side divided by itself was told as 1.0 (1.0 to 1.0), however disturbed the machine."""
    machine = Machine(0.02, fast=1.0, slow=2.0)
    found = compare(machine.contest(("fast", "slow"), models=("fast", "slow")))
    assert [job.model for job in machine.asked[0]] == ["fast", "slow", "fast", "slow", "fast"]
    assert [round(one.ratio.value, 1) for one in found] == [1.0, 2.0, 0.5, 1.0]
    for one in (found[0], found[3]):
        assert one.ratio.low < one.ratio.high and one.ratio != one.control


def test_all_run_the_same_texts_on_ids_that_all_have() -> None:
    """Other lengths, or ids beyond a smaller vocabulary, would compare texts and not models."""
    machine = Machine(fast=1.0, slow=2.0, slower=3.0)
    compare(machine.contest(("slow", "slower")))
    for jobs in machine.asked:
        assert [job.model for job in jobs] == ["fast", "slow", "slower", "fast"]
        assert {tuple(job.lengths) for job in jobs} == {(3, 8)}
        assert {job.ids for job in jobs} == {(10, 98)}
        assert len({job.seed for job in jobs}) == 1
    assert len({jobs[0].seed for jobs in machine.asked}) == PROCESSES


def test_several_models_are_each_compared_with_each() -> None:
    machine = Machine(fast=1.0, slow=2.0, slower=4.0)
    found = compare(machine.contest(("slower",), models=("fast", "slow")))
    ratios = [(one.model, one.against, round(one.ratio.value, 1)) for one in found]
    assert ratios == [("fast", "slower", 4.0), ("slow", "slower", 2.0)]


def test_on_a_noisy_machine_it_goes_on() -> None:
    """A ratio of 1.2 give or take 0.2 says nothing; and nothing told how far it was for minutes."""
    quiet, noisy = Machine(fast=1.0, slow=2.0), Machine(0.3, fast=1.0, slow=2.0)
    told: list[list[int]] = [[], []]
    for machine, heard in zip((quiet, noisy), told, strict=True):
        compare(machine.contest(), heard.append)
    assert (len(quiet.asked), len(noisy.asked)) == (PROCESSES, MOST_PROCESSES)
    assert told[0] == [1] * PROCESSES + [MOST_PROCESSES - PROCESSES]
    assert sum(told[1]) == MOST_PROCESSES


def test_wall_time_counts_where_several_threads_share_a_run() -> None:
    """Over all threads, CPU time grows with them: two threads would look slower than one."""
    machine = Machine(fast=1.0, slow=2.0)
    contest = machine.contest()
    two = {name: replace(job, threads=2) for name, job in contest.jobs.items()}
    (found,) = compare(replace(contest, jobs=two))
    assert found.clock == "wall"


def test_instructions_count_where_a_device_counts_them() -> None:
    """An emulator is slow and counts the same every time: once is enough."""
    asked: list[int] = []

    def turns(jobs: Sequence[Job], address: str) -> list[Reading]:
        asked.append(jobs[0].runs)
        counts = {"fast": [100, 101, 102], "slow": [300, 303, 306]}
        return [replace(EMPTY, instructions=counts[job.model]) for job in jobs]

    machine = Machine(fast=1.0, slow=2.0)
    device: Device = replace(host.DEVICE, turns=turns, unit="instructions")
    (found,) = compare(machine.contest(device=device))
    assert (found.clock, found.control.value) == ("instructions", 1.0)
    assert found.ratio.value == pytest.approx(3.0) and asked == [60]


@pytest.mark.parametrize("samples", [[], [0.0, 1.0], [float("nan")]])
def test_no_samples_are_no_ratio(samples: list[float]) -> None:
    def turns(jobs: Sequence[Job], address: str) -> list[Reading]:
        return [replace(EMPTY, wall_ms=samples, cpu_ms=samples) for job in jobs]

    contest = Machine(fast=1.0, slow=2.0).contest(device=replace(host.DEVICE, turns=turns))
    with pytest.raises(KdcError, match="host measured nothing of fast"):
        compare(contest)


def test_a_device_without_turns_compares_nothing() -> None:
    contest = Machine(fast=1.0, slow=2.0).contest(device=replace(host.DEVICE, turns=None))
    with pytest.raises(KdcError, match="--vs: host cannot run models in turns"):
        compare(contest)
