"""What a bench document holds, once it has been read: plain values, each with its unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kdc.compress.metrics import Score
from kdc.export.lengths import Length

Interval = tuple[float, float]
"""Lower and upper end at 95 %."""
Clock = Literal["wall", "cpu", "instructions"]
_MISSED = 0.05  # how often a 95 % interval may leave the truth out
CLOCKS: tuple[Clock, ...] = ("wall", "cpu", "instructions")


@dataclass(frozen=True)
class Source:
    """One run of `kdc bench`."""

    date: str | None
    """When it was, in UTC."""
    command: str | None
    """What repeats it."""
    machine: Mapping[str, Any]
    """What it was run on: plain values of JSON."""


@dataclass(frozen=True)
class Part:
    """A group of a phone folder's bytes."""

    name: str
    bytes: int
    zip_bytes: int | None
    about: str


@dataclass(frozen=True)
class Model:
    """A model file."""

    name: str
    """The path that the user gave."""
    sha256: str | None = None
    size_bytes: int | None = None
    zip_bytes: int | None = None
    shipped: Score | None = None
    """Its score by its manifest: nobody measured it here."""
    teacher: Score | None = None
    """Its teacher's, by the same manifest."""
    quantization: str | None = None
    ledger: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Spread:
    """Percentiles of samples."""

    p50: float
    p95: float | None
    p99: float | None
    n: int | None
    """Samples they were taken from."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """Of `p50`, `p95` and `p99`, where they were computed."""

    def interval(self, name: str) -> Interval | None:
        """Return a percentile's interval; None where it was not computed or is none.

        Of `n` samples all or none lie above a percentile by a chance that has to be below 5 %: else
        even the lowest and the highest of them are no 95 % interval. That takes 6 samples for p50,
        59 for p95 and 299 for p99 (Conover 1999, section 3.2).
        """
        share = int(name[1:]) / 100
        if self.n is not None and share**self.n + (1 - share) ** self.n > _MISSED:
            return None
        return self.intervals.get(name)


@dataclass(frozen=True)
class Drift:
    """What a long run did to the latency."""

    minutes: float
    first_ms: float
    """p50 at its start."""
    last_ms: float
    """p50 at its end."""
    ratio: float
    """Last by first: above 1 it became slower."""
    interval: Interval | None
    by_minute: tuple[tuple[float, float | None, float | None], ...]
    """Minute, p50 of wall time and p50 of CPU time, both in ms."""


@dataclass(frozen=True)
class Run:
    """One model on one device at one length."""

    source: int
    """Which of the report's sources it comes from."""
    model: str
    """Which of the report's models."""
    device: str
    threads: int
    length: Length
    tokens: tuple[int, int] | None
    """Fewest and most tokens of a text."""
    size_bytes: int | None
    zip_bytes: int | None
    load_ms: float | None
    first_ms: float | None
    latency_ms: Spread | None
    """Wall time of a text."""
    cpu_ms: Spread | None
    """CPU time of a text, over all threads."""
    instructions: Spread | None
    """Instructions of a text: a proxy of its work, never a time."""
    peak_rss_bytes: int | None
    private_bytes: int | None
    memory: Mapping[str, int]
    """Where the memory goes: any of `runtime`, `weights`, `prepacked`, `arena`, in bytes."""
    where: Mapping[str, Any]
    samples: Mapping[str, tuple[float, ...]]
    """Any of `wall_ms`, `cpu_ms`, `instructions`, where they were kept."""
    drift: Drift | None

    def spread(self, clock: Clock) -> Spread | None:
        """Return the percentiles by a clock."""
        return {"wall": self.latency_ms, "cpu": self.cpu_ms}.get(clock, self.instructions)

    def kept(self, clock: Clock) -> tuple[float, ...]:
        """Return the samples by a clock; empty where they were not kept."""
        return self.samples.get(clock if clock == "instructions" else f"{clock}_ms", ())


@dataclass(frozen=True)
class Versus:
    """Two models in turns."""

    source: int
    model: str
    against: str
    device: str
    length: Length
    clock: Clock
    ratio: float | None
    """Above 1: `model` is faster than `against`. None: refused."""
    interval: Interval | None
    aa_ratio: float | None
    """The same experiment with one model on both sides: 1 where the machine is quiet enough."""
    aa_interval: Interval | None
    pairs: int | None
    refused: str | None
    """Why there is no ratio."""


@dataclass(frozen=True)
class Flip:
    """A text that two models answer differently."""

    text: str
    pair: str | None
    label: str
    shipped: str
    other: str


@dataclass(frozen=True)
class Against:
    """The file that ships beside another model, on the same texts."""

    agree: float
    """Share of texts answered alike."""
    cosine_min: float | None
    """Cosine of the logits, least of all texts; None where there is but one logit."""
    cosine_median: float | None
    flips: int
    """Texts that are answered differently."""
    flipped: tuple[Flip, ...]
    """Those of them that were kept."""


@dataclass(frozen=True)
class Quality:
    """How good the answers of the file that ships are, on the device."""

    source: int
    model: str
    device: str
    data: str
    score: Score
    student: Score | None
    """On the same rows."""
    teacher: Score | None
    against: Mapping[str, Against]
    """Any of `student`, `teacher`, `host`."""


@dataclass(frozen=True)
class Report:
    """One bench document, or several merged."""

    sources: tuple[Source, ...]
    models: Mapping[str, Model]
    """By name, in the order in which they were measured."""
    runs: tuple[Run, ...]
    versus: tuple[Versus, ...] = ()
    quality: tuple[Quality, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether anything was: its tables are empty otherwise."""
        return bool(self.runs or self.versus or self.quality)
