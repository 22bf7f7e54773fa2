"""`kdc bench`: size, load time, latency and memory of model files, each with its unit."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.progress import Progress, Silent
from kdc.export.cpu_profile import NATIVE, find_profile
from kdc.export.devices import find_device
from kdc.export.drift import Drift
from kdc.export.jobs import Job, Reading
from kdc.export.lengths import Length, Texts, choose_texts, shared_texts
from kdc.export.machine import describe_machine
from kdc.export.statistics import Percentiles
from kdc.export.subject import Subject, find_subject
from kdc.export.thinning import drift_of, evenly, percentiles
from kdc.export.versus import Contest, Versus, check_turns, compare, processes

FORMAT = "kdc.bench/1"
_SECONDS = 4.0
_LONGEST_MINUTES = 24 * 60
_MOST_RUNS = 10_000_000


@dataclass(frozen=True)
class Plan:
    """How to measure."""

    device: str = "host"
    """A name from `DEVICES`, with its address after a colon."""
    lengths: tuple[Length, ...] | None = None
    """Texts to run; None for the task's own lengths and 128 tokens."""
    threads: int = 1
    """Threads that share the work of one run."""
    seconds: float = _SECONDS
    """Wall time to spend on the measured runs of each model at each length."""
    runs: int = 1000
    """Most runs of each model at each length."""
    minutes: float | None = None
    """Run each length for as many minutes instead, without a limit of runs, and tell the drift."""
    cpu_profile: str = NATIVE
    """A name from `CPU_PROFILES`."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what measures nothing.

        Raises:
            KdcError: an option makes no sense; it is named.
        """
        if self.threads < 1:
            raise KdcError(f"--threads {self.threads}: give a whole number from 1")
        if not 1 <= self.runs <= _MOST_RUNS:
            raise KdcError(f"--runs {self.runs}: give a whole number from 1 to {_MOST_RUNS}")
        if not (isfinite(self.seconds) and 0 < self.seconds <= 3600):
            raise KdcError(f"--seconds {self.seconds:g}: give more than 0 and at most 3600")
        minutes = self.minutes
        if minutes is not None and not (isfinite(minutes) and 0 < minutes <= _LONGEST_MINUTES):
            raise KdcError(
                f"--minutes {minutes:g}: give more than 0 and at most {_LONGEST_MINUTES}"
            )
        find_profile(self.cpu_profile)
        device, _ = find_device(self.device)
        for option, given in (
            (f"--minutes {minutes or 0:g}", minutes is not None),
            (f"--seconds {self.seconds:g}", self.seconds != _SECONDS),
        ):
            if given and device.unit == "instructions":
                raise KdcError(
                    f"{option} is for devices that tell time: {self.device} counts the "
                    "instructions of a few runs, however long they take"
                )
        if device.unit == "instructions" and self.threads != 1:
            raise KdcError(
                f"--threads {self.threads}: {self.device} counts the instructions of one thread, "
                "for waiting threads run some too; give --threads 1"
            )
        if self.cpu_profile != NATIVE and self.device.partition(":")[0] != "host":
            raise KdcError(
                f"--cpu-profile {self.cpu_profile} is for --device host: {self.device} has a CPU "
                "of its own"
            )


@dataclass(frozen=True)
class Measurement:
    """One model on one device at one length."""

    subject: Subject
    plan: Plan
    texts: Texts
    reading: Reading
    """Everything the device measured, samples included."""

    @property
    def latency_ms(self) -> Percentiles | None:
        """Wall time of one text alone."""
        return percentiles(self.reading, "wall_ms")

    @property
    def cpu_ms(self) -> Percentiles | None:
        """CPU time of one text alone, over all threads: steady where other work disturbs."""
        return percentiles(self.reading, "cpu_ms")

    @property
    def instructions(self) -> Percentiles | None:
        """Instructions of one text alone."""
        return percentiles(self.reading, "instructions")

    @property
    def drift(self) -> Drift | None:
        """How a run of minutes changed."""
        if self.plan.minutes is None:
            return None
        return drift_of(self.reading, self.plan.seed)

    def as_dict(self) -> dict[str, Any]:
        """Return what a bench document says of a run."""
        reading, drift = self.reading, self.drift
        spreads = {
            "latency_ms": self.latency_ms,
            "cpu_ms": self.cpu_ms,
            "instructions": self.instructions,
        }
        return {
            "model": self.subject.name,
            "device": self.plan.device,
            "threads": self.plan.threads,
            "length": self.texts.length,
            "tokens": [min(self.texts.tokens), max(self.texts.tokens)],
            "size_bytes": self.subject.size_bytes,
            "zip_bytes": self.subject.zip_bytes,
            "load_ms": _rounded(reading.load_ms),
            "first_ms": _rounded(reading.first_ms),
            **{name: spread and spread.as_dict() for name, spread in spreads.items()},
            "peak_rss_bytes": reading.peak_rss_bytes,
            "private_bytes": reading.private_bytes,
            "memory": reading.memory,
            "where": reading.where,
            "samples": {
                "wall_ms": [round(value, 4) for value in evenly(reading.wall_ms)],
                "cpu_ms": [round(value, 4) for value in evenly(reading.cpu_ms)],
                "instructions": [round(value, 4) for value in evenly(reading.instructions)],
            },
            "drift": drift and drift.as_dict(),
        }


@dataclass(frozen=True)
class Bench:
    """All that was measured by one command."""

    date: str
    """When, in UTC (ISO 8601)."""
    machine: dict[str, Any]
    subjects: tuple[Subject, ...]
    runs: tuple[Measurement, ...]
    versus: tuple[Versus, ...]

    def as_dict(self, command: str = "", quality: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return the bench document.

        Args:
            command: what repeats the measurement.
            quality: what was found of the answers on the device.
        """
        return {
            "format": FORMAT,
            "date": self.date,
            "command": command,
            "machine": self.machine,
            "models": {subject.name: subject.facts for subject in self.subjects},
            "runs": [run.as_dict() for run in self.runs],
            "versus": [pair.as_dict() for pair in self.versus],
            "quality": list(quality),
        }


def bench(
    models: Sequence[Path], plan: Plan, progress: Progress, versus: Sequence[Path] = ()
) -> Bench:
    """Measure models, each at each length in a fresh process, and compare them in turns.

    Args:
        models: `.onnx` or `.ort` files, or phone folders, whose digests are checked first.
        plan: how to measure.
        progress: told of every length.
        versus: models that each of `models` is compared with; they are measured as well.

    Raises:
        KdcError: no such model or a damaged one, lengths or threads that it or the device cannot
            do, a device that cannot compare, or a process that crashed, was killed or hung.
    """
    device, address = find_device(plan.device)
    subjects, texts, turns = _chosen(models, plan, progress, versus)
    for subject in subjects.values():
        _ = subject.facts  # now: a file may be replaced while it is measured
    runs = []
    with progress.bar("measure", sum(map(len, texts.values()))) as advance:
        for name, subject in subjects.items():
            for text in texts[name]:
                reading = device.measure(_job(subject, text, plan), address)
                _check_samples(reading, name, plan.device)
                runs.append(Measurement(subject, plan, text, reading))
                advance(1)
    pairs: list[Versus] = []
    if versus:
        brief = replace(plan, minutes=None)
        names, others = (tuple(dict.fromkeys(map(str, paths))) for paths in (models, versus))
        most = processes(device)[1]
        with progress.bar("compare in turns", most * len(turns)) as advance:
            for text in turns:
                jobs = {name: _job(subject, text, brief) for name, subject in subjects.items()}
                contest = Contest(device, plan.device, address, text.length, jobs, names, others)
                pairs += compare(contest, advance)
    for subject in subjects.values():
        if _is_another(subject):
            progress.say(
                f"{subject.name} was replaced while it was measured: its sizes are of the old "
                "file, some of its times may be of the new one; measure again"
            )
    versions = sorted({run.reading.onnxruntime for run in runs})
    return Bench(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine={**describe_machine(), "onnxruntime": ", ".join(versions)},
        subjects=tuple(subjects.values()),
        runs=tuple(runs),
        versus=tuple(pairs),
    )


def check(models: Sequence[Path], plan: Plan, versus: Sequence[Path] = ()) -> None:
    """Refuse what `bench` would refuse to measure, before other long work is done for it.

    Raises:
        KdcError: no such model or a damaged one, lengths that it cannot do, or a device that
            cannot compare.
    """
    _chosen(models, plan, Silent(), versus)


def _chosen(
    models: Sequence[Path], plan: Plan, progress: Progress, versus: Sequence[Path]
) -> tuple[dict[str, Subject], dict[str, tuple[Texts, ...]], tuple[Texts, ...]]:
    """Return the models by name, the texts of each, and those on which they are compared."""
    if versus:
        check_turns(find_device(plan.device)[0], plan.device)
    subjects = {str(path): find_subject(path) for path in (*models, *versus)}
    texts = {
        name: choose_texts(subject.file, plan.lengths, progress)
        for name, subject in subjects.items()
    }
    files = [subject.file for subject in subjects.values()]
    turns: tuple[Texts, ...] = ()
    if versus:  # before hours of measuring: what cannot be compared is refused here
        turns = shared_texts(texts[str(models[0])], files, plan.lengths, progress)
    return subjects, texts, turns


def _job(subject: Subject, texts: Texts, plan: Plan) -> Job:
    return Job(
        model=str(subject.file.path),
        lengths=list(texts.tokens),
        ids=subject.ids,
        threads=plan.threads,
        seconds=plan.seconds if plan.minutes is None else 60 * plan.minutes,
        runs=plan.runs if plan.minutes is None else _MOST_RUNS,
        seed=plan.seed,
        session=dict(subject.session),
        cpu_profile=plan.cpu_profile,
    )


def _is_another(subject: Subject) -> bool:
    with suppress(OSError):
        return subject.file.digest() != subject.sha256
    return True


def _check_samples(reading: Reading, model: str, device: str) -> None:
    if not (reading.wall_ms or reading.cpu_ms or reading.instructions):
        raise KdcError(f"{device} ran {model} not once: measure longer with --seconds")
    values = [*reading.wall_ms, *reading.cpu_ms, *reading.instructions]
    if not all(isfinite(value) and value >= 0 for value in values):
        raise KdcError(f"{device} gives times of {model} that are none: measure again")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
