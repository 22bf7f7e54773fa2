"""The results of a sweep: each recipe's mean over its seeds, and how far they lie apart."""

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SWEEP = "kdc.sweep/1"


@dataclass(frozen=True)
class Spread:
    """Some runs' values of one figure."""

    n: int
    mean: float
    std: float | None
    """The standard deviation of a sample (n - 1); None of a single run."""
    min: float
    max: float


def spread(values: Iterable[float]) -> Spread | None:
    """Summarise values; None where there is none."""
    found = list(values)
    if not found:
        return None
    std = statistics.stdev(found) if len(found) > 1 else None
    return Spread(len(found), statistics.fmean(found), std, min(found), max(found))


@dataclass(frozen=True)
class Entry:
    """A run of a sweep."""

    recipe: str
    seed: int
    out: Path
    metrics: dict[str, Any] = field(default_factory=dict)
    """What the student folder's `metrics.json` holds; empty where the run failed."""
    seconds: float | None = None
    """What its training took; None where it is not known as a whole."""
    failure: str = ""
    """Why there is no student, in a sentence."""

    @property
    def key(self) -> str:
        """What the run is called in the sweep: the name of its folder."""
        return self.out.name

    def value(self, split: str, who: str = "student") -> float | None:
        """Return somebody's score on `dev` or `test` as a fraction; None where there is none."""
        if split == "dev":
            table = {**self.metrics.get("baselines", {}), **self.metrics}
        else:
            table = self.metrics.get(split, {})
        score = table.get(who)
        return float(score["value"]) if score else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the metrics but for the long lists."""
        told = ("teacher", "student", "retained", "agreement", "baselines", "test")
        metrics = {name: self.metrics[name] for name in told if name in self.metrics}
        values = {"recipe": self.recipe, "seed": self.seed, "out": self.key}
        failed = {"failure": self.failure} if self.failure else {}
        return {**values, "seconds": self.seconds, **failed, **metrics}


@dataclass
class Results:
    """A sweep so far."""

    data: str
    seconds: dict[str, float]
    """How long runs took that an earlier start of the sweep had finished, by their keys."""
    entries: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add a run."""
        self.entries.append(entry)

    @property
    def failed(self) -> list[Entry]:
        """The runs that left no student."""
        return [entry for entry in self.entries if entry.failure]

    @property
    def done(self) -> list[Entry]:
        """The runs that left a student."""
        return [entry for entry in self.entries if not entry.failure]

    @property
    def metric(self) -> str:
        """The metric of the task; empty before any run is done."""
        return str(self.done[0].metrics["student"]["metric"]) if self.done else ""

    @property
    def splits(self) -> list[str]:
        """`dev`, and `test` where the data has one."""
        return ["dev", *(["test"] if any("test" in e.metrics for e in self.done) else [])]

    @property
    def others(self) -> list[str]:
        """Whom the students are compared with, in the order of the metrics."""
        names = ["teacher", *(n for e in self.done for n in e.metrics.get("baselines", {}))]
        return list(dict.fromkeys(names)) if self.done else []

    def recipes(self) -> dict[str, dict[str, Spread | None]]:
        """Return recipe -> figure -> spread over its seeds: the splits, `retained`, `seconds`."""
        found: dict[str, dict[str, Spread | None]] = {}
        for name in dict.fromkeys(entry.recipe for entry in self.entries):
            runs = [entry for entry in self.done if entry.recipe == name]
            seconds = [entry.seconds for entry in runs if entry.seconds is not None]
            found[name] = {
                **{split: spread(_known(e.value(split) for e in runs)) for split in self.splits},
                "retained": spread(entry.metrics["retained"] for entry in runs),
                "seconds": spread(seconds),
            }
        return found

    def compared(self) -> dict[str, dict[str, Spread | None]]:
        """Return who -> split -> spread, for those whom the students are compared with.

        A control that depends on the seed counts once a seed and value.
        """
        found: dict[str, dict[str, Spread | None]] = {}
        for who in self.others:
            found[who] = {}
            for split in self.splits:
                values = {(e.seed, e.value(split, who)) for e in self.done}
                if who != "scratch":
                    values = {(0, value) for _, value in values}
                found[who][split] = spread(_known(value for _, value in sorted(values, key=str)))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "format": SWEEP,
            "data": self.data,
            "recipes": _plain(self.recipes()),
            "compared": _plain(self.compared()),
            "seconds": {**self.seconds, **_times(self.entries)},
            "runs": [entry.as_dict() for entry in self.entries],
        }


def _times(entries: Iterable[Entry]) -> dict[str, float]:
    return {entry.key: entry.seconds for entry in entries if entry.seconds is not None}


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _plain(table: dict[str, dict[str, Spread | None]]) -> dict[str, Any]:
    return {
        name: {figure: asdict(found) for figure, found in row.items() if found is not None}
        for name, row in table.items()
    }
