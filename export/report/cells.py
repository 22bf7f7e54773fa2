"""Figures as they are printed: a number in the column's unit, or a dash."""

from dataclasses import dataclass

from kdc.compress.metrics import Score
from kdc.export.report.document import Interval, Run, Spread

NOTHING = "-"


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    small: str = ""
    """What stands behind or under it, such as its interval."""
    strong: bool = False

    def __str__(self) -> str:
        """Return it as plain text."""
        return f"{self.text} ({self.small})" if self.small else self.text


@dataclass(frozen=True)
class Table:
    """A table of a report."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    note: str = ""
    """What explains it, in a sentence."""


def mb(count: int | None) -> Cell:
    """Bytes as MB of 1,000,000."""
    return Cell(NOTHING if count is None else f"{count / 1e6:,.2f}")


def ms(value: float | None, interval: Interval | None = None) -> Cell:
    """Milliseconds, with the interval where it was computed."""
    return Cell(number(value), ends(interval))


def number(value: float | None) -> str:
    """Print a figure: two digits after the point, fewer for large ones, more for tiny ones."""
    if value is None:
        return NOTHING
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.3g}"


def ends(interval: Interval | None) -> str:
    """Print an interval's two ends."""
    return "" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def percentile(spread: Spread | None, name: str, interval: bool = False) -> Cell:
    """One percentile of a spread, `p50`, `p95` or `p99`."""
    if spread is None:
        return Cell(NOTHING)
    return ms(getattr(spread, name), spread.intervals.get(name) if interval else None)


def millions(spread: Spread | None) -> Cell:
    """The median of counted instructions, in millions."""
    return Cell(NOTHING if spread is None else f"{spread.p50 / 1e6:,.2f}")


def percent(score: Score | None) -> Cell:
    """A score in percent, with its interval."""
    if score is None:
        return Cell(NOTHING)
    return Cell(f"{100 * score.value:.2f}", f"{100 * score.low:.1f} to {100 * score.high:.1f}")


def share(value: float | None) -> str:
    """A share in percent."""
    return NOTHING if value is None else f"{100 * value:.2f} %"


def tokens(run: Run) -> Cell:
    """How long a run's texts are."""
    if run.length != "natural":
        return Cell(str(run.length))
    if run.tokens is None:
        return Cell("natural")
    return Cell("natural", f"{run.tokens[0]} to {run.tokens[1]}")


def plural(count: int, what: str) -> str:
    """Print a count of things, such as `1 thread` or `2 threads`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
