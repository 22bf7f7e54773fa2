"""`kdc report`: several measurements as one."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet
from kdc.cli.written import Html, Png, check_outputs, deliver


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
    from kdc.export.report.merge import merge
    from kdc.export.report.reader import read_report
    from kdc.export.report.write import as_dict

    terminal = Terminal(quiet, json_to)
    check_outputs(json_to, html_to, png_to, files)
    merged = merge([read_report(path) for path in files])
    deliver(terminal, as_dict(merged), html_to, png_to)
