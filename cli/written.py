"""What `kdc bench` and `kdc report` give: tables on the terminal, a page, a picture, JSON."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdc.cli.console import Terminal
from kdc.cli.outputs import check_paths

if TYPE_CHECKING:
    from kdc.export.report.cells import Table
    from kdc.export.report.document import Report

_FLIPS = 5  # shown of each comparison where one model was judged
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a page with every table and picture."),
]
Png = Annotated[
    Path | None,
    typer.Option("--png", metavar="FILE", help="Write the picture of score, size and latency."),
]


def check_outputs(
    json_to: str | None, html_to: Path | None, png_to: Path | None, inputs: Iterable[str | Path]
) -> None:
    """Find out before anything is measured whether what is asked for can be written.

    Args:
        json_to: the value of `--json`.
        html_to: where the page goes; None for nowhere.
        png_to: where the picture goes; None for nowhere.
        inputs: files and folders that are read, and so must not be replaced.

    Raises:
        KdcError: a path that cannot be written or would replace something else, or a package is
            missing; the sentence has the command.
    """
    check_paths({"--json": json_to, "--html": html_to, "--png": png_to}, inputs)
    if png_to is not None:
        from kdc.export.report.png import check_png

        check_png()


def deliver(
    terminal: Terminal,
    document: Mapping[str, Any],
    html_to: Path | None = None,
    png_to: Path | None = None,
) -> None:
    """Write a bench document to where the options say, and print it as tables.

    Files come first: who reads the tables may leave before their end, which ends the command. What
    one of them cannot take, the others and the tables still tell: it may be minutes of measuring.

    Args:
        terminal: prints the tables, and writes the document where `--json` was given.
        document: a bench document, `kdc.bench/1`.
        html_to: where the page goes; None for nowhere.
        png_to: where the picture goes; None for nowhere.

    Raises:
        KdcError: the document makes no sense, a file cannot be written, or a package is missing.
    """
    from kdc.export.report.reader import read_document

    report = read_document(document, "the bench document")
    written: list[str] = []
    do_all(
        lambda: _write_page(report, html_to, written),
        lambda: _write_picture(report, png_to, written),
        lambda: terminal.result(document),
        lambda: show(terminal, report),
        lambda: terminal.say("\n".join(written)) if written else None,
    )


def do_all(*steps: Callable[[], None]) -> None:
    """Take every step, whatever an earlier one raised; then raise what the first of them did."""
    failures: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # a step loses nothing of what the next ones tell
            failures.append(error)
    if failures:
        raise failures[0]


def _write_page(report: "Report", path: Path | None, written: list[str]) -> None:
    """Write the page, and note where it is."""
    if path is not None:
        from kdc.compress.files import write_text
        from kdc.export.report.html import page

        write_text(path, page(report))
        written.append(f"page: {path}")


def _write_picture(report: "Report", path: Path | None, written: list[str]) -> None:
    """Write the picture, and note where it is."""
    if path is not None:
        from kdc.export.report.png import write_png

        write_png(path, report)
        written.append(f"picture: {path}")


def show(terminal: Terminal, report: "Report") -> None:
    """Print a report's tables, each as it fits the terminal."""
    from kdc.export.report.narrow import fitted

    stream = sys.stderr if terminal.json_to == "-" else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else None
    told: set[str] = {""}
    for table in _tables(report):
        for part in fitted(table, width):
            terminal.table(part.title, part.columns, part.rows)
        if table.note not in told:
            terminal.say(table.note)
            told.add(table.note)


def _tables(report: "Report") -> Iterator["Table"]:
    """Return what there is to tell."""
    from kdc.export.report import detail_tables, quality_tables, tables
    from kdc.export.report.pareto import settings

    yield from tables.runs_tables(report).values()
    found = settings(report)
    if found and len(found[0].points) > 1:
        yield tables.pareto_table(report, found)
    if report.versus:
        yield detail_tables.versus_table(report.versus)
    if report.quality:
        yield quality_tables.quality_table(report)
    for one in report.quality if len(report.quality) == 1 else ():
        for other, against in one.against.items():
            if against.flipped:
                yield quality_tables.flips_table(one, other, _FLIPS)
    if any(run.memory for run in report.runs):
        yield detail_tables.memory_table(report)
    if any(run.drift for run in report.runs):
        yield detail_tables.drift_table(report)
    if len(report.sources) > 1:
        yield tables.sources_table(report)
