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
PROCESSES = 2
"""Times that every model gets a fresh process: two of one model differ by some 0.4 %."""
TOLERANCE = 0.03
"""How far the control may be from 1."""


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
        if abs(self.control.value - 1) <= TOLERANCE:
            return None
        return (
            f"the same model against itself came out as {self.control}, not within "
            f"{TOLERANCE:.0%} of 1: something disturbs this machine; measure again when it is "
            "quieter, or longer with --seconds"
        )

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


def check_turns(device: Device, name: str) -> None:
    """Refuse a device that cannot compare.

    Raises:
        KdcError: it lets no models take turns.
    """
    if device.turns is None:
        raise KdcError(f"--vs: {name} cannot run models in turns: compare on another --device")


def compare(contest: Contest, advance: Advance) -> list[Versus]:
    """Let the models take turns, with the first of them once more as the control.

    Args:
        contest: what is compared.
        advance: told of each of `PROCESSES`.

    Raises:
        KdcError: the device lets no models take turns, or a model cannot be run.
    """
    check_turns(contest.device, contest.device_name)
    assert contest.device.turns is not None
    names = list(dict.fromkeys((*contest.models, *contest.against)))
    jobs = _alike([contest.jobs[name] for name in (*names, contest.models[0])])
    readings: list[list[Reading]] = []
    for number in range(PROCESSES):
        seeded = [replace(job, seed=job.seed + number) for job in jobs]
        readings.append(contest.device.turns(seeded, contest.address))
        advance(1)
    clock, times = _times(contest, jobs, readings)
    by_name = dict(zip(names, times, strict=False))
    seed = jobs[0].seed
    control = ratio(times[-1], times[0], seed)
    return [
        Versus(
            model=model,
            against=other,
            device=contest.device_name,
            length=contest.length,
            clock=clock,
            ratio=ratio(by_name[other], by_name[model], seed),
            control=control,
            pairs=int(times[0].size),
        )
        for model, other in product(contest.models, contest.against)
    ]


def _alike(jobs: Sequence[Job]) -> list[Job]:
    """Give all jobs the same texts: the first one's lengths, and ids that every model has.

    Each model gets its share of the seconds and of the rounds in every process.
    """
    low, high = max(job.ids[0] for job in jobs), min(job.ids[1] for job in jobs)
    ids = (low, high) if low < high else (min(job.ids[0] for job in jobs), high)
    return [
        replace(
            job,
            lengths=jobs[0].lengths,
            ids=ids,
            seconds=job.seconds / PROCESSES,
            runs=max(1, job.runs // PROCESSES),
        )
        for job in jobs
    ]


def _times(
    contest: Contest, jobs: Sequence[Job], readings: Sequence[Sequence[Reading]]
) -> tuple[Clock, list[Array]]:
    """Return by which clock the sides are compared, and (processes, rounds) times of each."""
    clock: Clock = "wall"
    if contest.device.unit == "instructions":
        clock = "instructions"
    elif jobs[0].threads == 1 and all(reading.cpu_ms for every in readings for reading in every):
        clock = "cpu"
    sides = [[_samples(every[side], clock) for every in readings] for side in range(len(jobs))]
    rounds = min(len(samples) for side in sides for samples in side)
    times = [np.array([samples[:rounds] for samples in side], dtype=np.float64) for side in sides]
    if not rounds or not all((side > 0).all() for side in times):
        raise KdcError(
            f"{contest.device_name} measured nothing of {contest.models[0]}: measure longer "
            "with --seconds"
        )
    return clock, times


def _samples(reading: Reading, clock: Clock) -> Sequence[float]:
    return {
        "cpu": reading.cpu_ms,
        "wall": reading.wall_ms,
        "instructions": reading.instructions,
    }[clock]


def _ends(found: Ratio) -> list[float]:
    return [round(found.low, 4), round(found.high, 4)]
