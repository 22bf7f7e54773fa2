"""What the command line prints: progress on standard error, results on standard output."""

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kdc.cli.outputs import check_paths
from kdc.compress.files import write_json
from kdc.compress.progress import Advance

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_EVERY = 10.0  # seconds between two plain lines of progress
_NUMBER = re.compile(r"[-+]?\d|-?$")  # starts like one, or is an empty cell
_UNBOUNDED = 10_000  # columns; a table in a pipe is as wide as its cells


class Terminal:
    """The `Progress` of every command, and the printer of its tables and results."""

    def __init__(
        self,
        quiet: bool = False,
        json_to: str | None = None,
        reads: Iterable[str | Path | None] = (),
        *writes: Path,
    ) -> None:
        """Choose what is printed where.

        Args:
            quiet: print nothing on standard error.
            json_to: where `result` goes: a path, `-` for standard output, or None for nowhere.
            reads: what the command reads, which a result must not replace.
            writes: the folder, and any files, that the command writes.

        Raises:
            KdcError: no file can be written there.
        """
        check_paths({"--json": json_to}, [path for path in reads if path is not None], *writes)
        self.quiet = quiet
        self.json_to = json_to
        self._spoke = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line on standard error; a bar that is being drawn stays below it."""
        if not self.quiet:
            _print(self._errors, text)

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show work of `total` units of which `done` are done; call the result to advance.

        A terminal gets a bar with rate and time left, anything else a line every ten seconds.
        """
        pace = Pace(total, done)
        if self.quiet:
            yield pace.advance
        elif sys.stderr.isatty() and not self._errors.is_dumb_terminal:
            with self._drawn(what, pace) as advance:
                yield advance
        else:
            with self._written(what, pace) as advance:
                yield advance

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table on standard output, or on standard error where JSON has the output."""
        to_errors = self.json_to == "-"
        if not (to_errors and self.quiet):
            console = _console(to_errors)
            _print(console, title)
            console.print(_table(columns, rows, console))

    def result(self, result: Mapping[str, object]) -> None:
        """Write the result as JSON to where `--json` says.

        Raises:
            KdcError: the file cannot be written.
        """
        if self.json_to == "-":
            sys.stdout.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
        elif self.json_to is not None:
            write_json(Path(self.json_to), result)

    @cached_property
    def _errors(self) -> "Console":
        return _console(to_errors=True)

    @contextmanager
    def _drawn(self, what: str, pace: "Pace") -> Iterator[Advance]:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
        ]
        with Progress(*columns, console=self._errors, transient=True) as progress:
            task = progress.add_task(
                visible(what), total=pace.total, completed=pace.done, pace=str(pace)
            )

            def advance(units: int) -> None:
                pace.advance(units)
                progress.update(task, completed=pace.done, pace=str(pace))

            yield advance

    @contextmanager
    def _written(self, what: str, pace: "Pace") -> Iterator[Advance]:
        def advance(units: int) -> None:
            pace.advance(units)
            # the last line comes at the end, with the time it took
            if pace.done < pace.total and time.monotonic() - self._spoke >= _EVERY:
                self._spoke = time.monotonic()
                self.say(f"{what}: {pace}")

        yield advance
        if pace.seconds >= _EVERY:
            self.say(f"{what}: {pace}")


class Pace:
    """How far work is, how fast it goes and when it will be done."""

    def __init__(self, total: int, done: int = 0) -> None:
        """Start the clock with `done` of `total` units already behind."""
        self.total = total
        self.done = done
        self._first = done
        self._start = time.monotonic()

    def advance(self, units: int) -> None:
        """Count `units` more as done."""
        self.done += units

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def __str__(self) -> str:
        """Print like `120/400, 8.3/s, 34 s left`; the rate leaves out what was done before."""
        count, seconds = f"{self.done}/{self.total}", self.seconds
        fresh = self.done - self._first
        if fresh <= 0 or seconds <= 0:
            return count
        rate = fresh / seconds
        if self.done >= self.total:
            return f"{count}, {_rounded(rate)}/s, took {duration(seconds)}"
        left = duration((self.total - self.done) / rate)
        return f"{count}, {_rounded(rate)}/s, {left} left"


def _rounded(rate: float) -> str:
    """Print three digits that count, such as `0.0417`, `8.3` or `4,240`."""
    short = f"{rate:.3g}"
    return f"{float(short):,.0f}" if "e+" in short else short


def duration(seconds: float) -> str:
    """Print seconds like `34 s`, `2 min 05 s` or `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def visible(text: str) -> str:
    """Escape what a terminal would obey rather than show; line ends stay."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )


def _console(to_errors: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if to_errors else sys.stdout
    width = None if stream.isatty() else _UNBOUNDED
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def _print(console: "Console", line: str) -> None:
    console.print(visible(line), soft_wrap=True)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]], console: "Console") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [[visible(str(cell)) for cell in row] for row in rows]
    widths, nearer = _widths(columns, cells, console.width)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0 if nearer else 1))
    for index, column in enumerate(columns):
        numbers = all(_NUMBER.match(row[index]) for row in cells)
        side: Literal["right", "left"] = "right" if numbers else "left"
        table.add_column(Text(column), justify=side, overflow="fold", width=widths[index])
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _widths(
    columns: Sequence[str], cells: Sequence[Sequence[str]], screen: int
) -> tuple[Sequence[int | None], bool]:
    """Choose columns' widths so that no word is cut, which rich alone does before it wraps.

    Narrow columns keep their width, the others share what is left alike, each at least as wide as
    its longest word. Where that is too much, columns stand nearer to each other, then headings are
    cut, and where the cells' words alone are too much rich chooses.

    Returns:
        The widths, and whether a cell has a blank at its right alone.
    """
    from rich.cells import cell_len

    by_column, count = list(zip(columns, *cells, strict=True)), len(columns)
    lines = [max(map(cell_len, "\n".join(column).split("\n"))) for column in by_column]
    room = screen - 3 * count - 1  # a blank at either side of a cell, and what is between
    for first, nearer in ((0, False), (0, True), (1, True)):
        words = [
            max(map(cell_len, _words(column[first:1], column[1:])), default=1)
            for column in by_column
        ]
        for level in range(max(lines), 0, -1):
            widths = [min(line, max(word, level)) for line, word in zip(lines, words, strict=True)]
            if sum(widths) <= room + nearer * count:
                return widths, nearer
    return [None] * count, False


def _words(heading: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Return what is not cut of a column: its words, and numbers with their units."""
    numbers = cells if all(map(_NUMBER.match, cells)) else ()
    return [*" ".join([*heading, *cells]).split(), *numbers]
