"""`kdc report`: several measurements as one."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet
from kdc.cli.written import Html, Png, check_outputs, deliver
from kdc.compress.errors import KdcError


def merge_reports(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="What `kdc bench --json` wrote.")
    ],
    html_to: Html = None,
    png_to: Png = None,
    json_to: Json = None,
    quiet: Quiet = False,
) -> None:
    """Merge measurements of several devices and days."""
    from kdc.compress.progress import some
    from kdc.export.report.merge import merge
    from kdc.export.report.reader import read_report
    from kdc.export.report.write import as_dict

    terminal = Terminal(quiet, json_to)
    check_outputs(json_to, html_to, png_to, files)
    reports = {path: read_report(path) for path in files}
    empty = [path for path, report in reports.items() if not report.measured]
    if len(empty) == len(reports):
        raise KdcError(f"{some(list(map(str, empty)))}: no model was measured there: run kdc bench")
    for path in empty:
        terminal.say(f"{path}: no model was measured there, so it adds nothing")
    merged = merge(list(reports.values()))
    deliver(terminal, as_dict(merged), html_to, png_to)
