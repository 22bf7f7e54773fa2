"""Figures as they are printed: a number in the column's unit, or a dash."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdc.compress.metrics import Score
from kdc.compress.progress import plural
from kdc.export.lengths import Length
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
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    """What explains it, in a sentence."""

    def trimmed(self) -> "Table":
        """Return it without the columns in which no row has anything."""
        full = [
            place
            for place, _ in enumerate(self.columns)
            if not self.rows or any(row[place].text not in ("", NOTHING) for row in self.rows)
        ]
        columns = tuple(self.columns[place] for place in full)
        rows = [tuple(row[place] for place in full) for row in self.rows]
        return replace(self, columns=columns, rows=rows)


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


def ratio(value: float | None, interval: Interval | None, strong: bool = False) -> Cell:
    """A ratio near 1, with its interval."""
    if value is None:
        return Cell(NOTHING)
    small = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
    return Cell(f"{value:.3f}", small, strong)


def percentile(spread: Spread | None, name: str, interval: bool = False) -> Cell:
    """One percentile of a spread, `p50`, `p95` or `p99`."""
    if spread is None:
        return Cell(NOTHING)
    return ms(getattr(spread, name), spread.interval(name) if interval else None)


def millions(spread: Spread | None) -> Cell:
    """The median of counted instructions, in millions."""
    return Cell(NOTHING if spread is None else f"{spread.p50 / 1e6:,.2f}")


def count(value: int | None) -> Cell:
    """How many."""
    return Cell(NOTHING if value is None else f"{value:,}")


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
    small = "" if run.tokens is None else f"{run.tokens[0]} to {run.tokens[1]}"
    return Cell(str(run.length), small if run.length == "natural" else "")


def length_words(length: Length) -> str:
    """Print a length as a title has it."""
    return "natural lengths" if length == "natural" else plural(length, "token")
