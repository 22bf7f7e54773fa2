"""`kdc bench`: size, load time, latency and memory of a model."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet


def bench(
    model: Annotated[
        Path, typer.Option("--model", metavar="MODEL", help="An .onnx or a phone folder.")
    ] = Path("student.onnx"),
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="A name from `kdc list devices`.")
    ] = "host",
    length: Annotated[
        str | None,
        typer.Option(
            "--length",
            metavar="N,...",
            help="Tokens of the texts; natural is what the task's own texts have.",
            show_default="natural,128",
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", help="Threads that share one run.")
    ] = 1,
    json_to: Json = None,
    quiet: Quiet = False,
) -> None:
    """Measure size, latency and memory of a model."""
    from kdc.export.lengths import parse_lengths
    from kdc.export.measure import bench as measure
    from kdc.export.report import LEGEND, describe_bench

    terminal = Terminal(quiet, json_to)
    lengths = None if length is None else parse_lengths(length)
    measured = measure(model, lengths, threads, device, terminal)
    terminal.table(*describe_bench(measured))
    terminal.say(LEGEND)
    terminal.result(measured.as_dict())
