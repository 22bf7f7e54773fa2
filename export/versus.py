"""Which of two models is faster: both in turns, beside a control that must come out as 1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np

from kdc.compress.errors import KdcError
from kdc.compress.progress import Advance
from kdc.export.devices.device import Device
from kdc.export.jobs import Job, Reading
from kdc.export.lengths import Length
from kdc.export.statistics import Array, Ratio, ratio

Clock = Literal["cpu", "wall", "instructions"]
PROCESSES = 5
"""Times that every model gets a fresh process: two of one model differ for good by where their
pages lie, measured by 0.4 % for a model of 3 MB and by 3 % for one of 110 MB. With fewer, Student's
t would make the interval wider than the time that their starts take is worth."""
MOST_PROCESSES = 9
"""And on a machine so busy that a ratio is not known well enough after that."""
WIDTH = 0.015
"""How well: half of its interval, as a share of it."""
TOLERANCE = 0.03
"""How far the control may be from 1, and how wide half of its interval."""


@dataclass(frozen=True)
class Versus:
    """Two models at one length on one device."""

    model: str
    against: str
    device: str
    length: Length
    clock: Clock
    """What was compared: CPU time where one thread does all the work and the device tells it."""
    ratio: Ratio
    """Time of `against` by time of `model`: above 1, `model` is the faster."""
    control: Ratio
    """Time of the first model by its own in another process, measured among the others."""
    pairs: int
    """Rounds in which both had their turn."""

    @property
    def refused(self) -> str | None:
        """Why the ratio is not to be believed; None where it is."""
        found = f"the same model against itself came out as {self.control}"
        if abs(self.control.value - 1) > TOLERANCE:
            return (
                f"{found}, not within {TOLERANCE:.0%} of 1: something disturbs this machine; "
                "measure again when it is quieter, or longer with --seconds"
            )
        if self.control.width > TOLERANCE:
            return (
                f"{found}, an interval wider than {TOLERANCE:.0%} to either side, which cannot "
                "tell whether something disturbs this machine: measure longer with --seconds"
            )
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return what a bench document says of it; what is refused has no ratio."""
        refused = self.refused
        found: dict[str, Any] = {
            "model": self.model,
            "against": self.against,
            "device": self.device,
            "length": self.length,
            "clock": self.clock,
            "latency_ratio": None if refused else round(self.ratio.value, 4),
            "interval": None if refused else _ends(self.ratio),
            "aa_ratio": round(self.control.value, 4),
            "aa_interval": _ends(self.control),
            "pairs": self.pairs,
        }
        return found | ({"refused": refused} if refused else {})


@dataclass(frozen=True)
class Contest:
    """Models to compare at one length: each of the first with each of the others."""

    device: Device
    device_name: str
    address: str
    length: Length
    jobs: dict[str, Job]
    """By the name of its model."""
    models: tuple[str, ...]
    against: tuple[str, ...]

    @property
    def threads(self) -> int:
        """Threads that share one run."""
        return max(job.threads for job in self.jobs.values())


def check_turns(device: Device, name: str) -> None:
    """Refuse a device that cannot compare.

    Raises:
        KdcError: it lets no models take turns.
    """
    if device.turns is None:
        raise KdcError(f"--vs: {name} cannot run models in turns: compare on another --device")


def processes(device: Device) -> tuple[int, int]:
    """Return how many times every model gets a fresh process, at the least and at the most."""
    if device.unit == "instructions":  # which come out the same every time
        return 1, 1
    return PROCESSES, MOST_PROCESSES


def compare(contest: Contest, advance: Advance = lambda units: None) -> list[Versus]:
    """Let the models take turns, with the first of them once more as the control.

    Args:
        contest: the models, and where and on what they run.
        advance: told of the most processes of a device, one by one, and of those it needs not.

    Raises:
        KdcError: the device lets no models take turns, or a model cannot be run.
    """
    check_turns(contest.device, contest.device_name)
    assert contest.device.turns is not None
    names = list(dict.fromkeys((*contest.models, *contest.against)))
    place = {name: side for side, name in enumerate(names)}
    pairs = list(product(contest.models, contest.against))
    # a model against itself needs a second process: a side divided by itself is 1 unmeasured
    twice = [name for name in names if (name, name) in pairs]
    second = {name: len(names) + number for number, name in enumerate(twice)}
    # the last side runs the first one's model; then slow and fast of each pair
    sides = [(-1, 0)]
    for model, other in pairs:
        sides.append((second[other] if other == model else place[other], place[model]))
    least, most = processes(contest.device)
    jobs = _alike([contest.jobs[name] for name in (*names, *twice, contest.models[0])], least)
    seed, times = jobs[0].seed, _Times(contest, [[] for _ in jobs])
    for number in range(most):
        seeded = [replace(job, seed=seed + number) for job in jobs]
        times.add(contest.device.turns(seeded, contest.address))
        advance(1)
        if number + 1 >= least:
            control, *found = (times.ratio(slow, fast, seed) for slow, fast in sides)
            if max(one.width / one.value for one in (control, *found)) <= WIDTH:
                advance(most - number - 1)
                break
    return [
        Versus(
            model=model,
            against=other,
            device=contest.device_name,
            length=contest.length,
            clock=times.clock,
            ratio=one,
            control=control,
            pairs=times.rounds,
        )
        for (model, other), one in zip(pairs, found, strict=True)
    ]


def _alike(jobs: Sequence[Job], processes: int) -> list[Job]:
    """Give all jobs the same texts: the first one's lengths, and ids that every model has.

    Each model gets its share of the seconds and of the rounds in every one of the processes.
    """
    low, high = max(job.ids[0] for job in jobs), min(job.ids[1] for job in jobs)
    ids = (low, high) if low < high else (min(job.ids[0] for job in jobs), high)
    return [
        replace(
            job,
            lengths=jobs[0].lengths,
            ids=ids,
            seconds=job.seconds / processes,
            runs=max(1, job.runs // processes),
        )
        for job in jobs
    ]


class _Times:
    """What every side took in every round of every process."""

    def __init__(self, contest: Contest, sides: list[list[Array]]) -> None:
        self.contest = contest
        self.clock: Clock = "wall"
        self._sides = sides

    def add(self, readings: Sequence[Reading]) -> None:
        """Take what one process of each side has measured.

        Raises:
            KdcError: it is nothing.
        """
        if self.contest.device.unit == "instructions":
            self.clock = "instructions"
        elif self.contest.threads == 1 and all(reading.cpu_ms for reading in readings):
            self.clock = "cpu"
        samples = [_samples(reading, self.clock) for reading in readings]
        rounds = min(map(len, samples))
        times = [np.array(side[:rounds], dtype=np.float64) for side in samples]
        if not rounds or not all((side > 0).all() and np.isfinite(side).all() for side in times):
            name, model = self.contest.device_name, self.contest.models[0]
            raise KdcError(f"{name} measured nothing of {model}: measure longer with --seconds")
        for side, found in zip(self._sides, times, strict=True):
            side.append(found)

    @property
    def rounds(self) -> int:
        """Rounds of all processes."""
        return sum(map(len, self._sides[0]))

    def ratio(self, slow: int, fast: int, seed: int) -> Ratio:
        """Divide one side's times by another's."""
        return ratio(self._sides[slow], self._sides[fast], seed)


def _samples(reading: Reading, clock: Clock) -> Sequence[float]:
    if clock == "instructions":
        return reading.instructions
    return reading.cpu_ms if clock == "cpu" else reading.wall_ms


def _ends(found: Ratio) -> list[float]:
    return [round(found.low, 4), round(found.high, 4)]
