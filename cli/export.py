"""`kdc export`: student folder -> phone folder."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet
from kdc.compress.errors import KdcError
from kdc.export.exporters import AUTO as AUTO_EXPORTER
from kdc.export.exporters import EXPORTERS
from kdc.export.layouts import LAYOUTS, SINGLE
from kdc.export.quantizers import AUTO, NONE, QUANTIZERS
from kdc.export.targets import DEFAULT as TARGET
from kdc.export.targets import TARGETS


def _one_of(*names: str) -> str:
    return f"One of {', '.join(names)}."


def export(
    student: Annotated[
        Path, typer.Argument(metavar="STUDENT", help="A student folder of `kdc distill`.")
    ] = Path("student"),
    quantize: Annotated[
        bool, typer.Option("--quantize", help=f"Make the model smaller: --method {AUTO}.")
    ] = False,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help=_one_of(AUTO, *QUANTIZERS))
    ] = None,
    exporter: Annotated[
        str, typer.Option(metavar="NAME", help=_one_of(AUTO_EXPORTER, *EXPORTERS))
    ] = AUTO_EXPORTER,
    target: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"Where it is meant to run, noted in the card; the file is the same. "
            f"{_one_of(*TARGETS)}",
        ),
    ] = TARGET,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            min=0.0,
            help="Points that the metric may lose.",
            show_default="1, and not significantly worse than the student",
        ),
    ] = None,
    vocab: Annotated[
        str | None,
        typer.Option(
            metavar="keep|task|N",
            help="Tokens that ship: all, the task's and common words', or N.",
            show_default="task where dev loses nothing",
        ),
    ] = None,
    embedding_rank: Annotated[
        int | None,
        typer.Option(metavar="R", min=1, help="Store the word embeddings as factors of rank R."),
    ] = None,
    layout: Annotated[str, typer.Option(metavar="NAME", help=_one_of(*LAYOUTS))] = SINGLE,
    length: Annotated[
        int | None,
        typer.Option(metavar="N", help="Cut and pad every text to N tokens, as NPUs want it."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Let the model answer with them as well.")
    ] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The phone folder.")] = Path("phone"),
    json_to: Json = None,
    quiet: Quiet = False,
) -> None:
    """Turn a student into a phone folder and student.onnx."""
    from kdc.cli.shipped import show
    from kdc.export.job import ExportJob
    from kdc.export.ship import beside, ship

    if quantize and method == NONE:
        raise KdcError(
            f"--quantize asks for a smaller file and --method {NONE} for none: leave one of them "
            "out"
        )
    terminal = Terminal(quiet, json_to, [student], out, *beside(out))
    job = ExportJob(
        student=student,
        out=out,
        method=method or (AUTO if quantize else NONE),
        exporter=exporter,
        max_drop=max_drop,
        target=target,
        vocab=vocab,
        embedding_rank=embedding_rank,
        layout=layout,
        length=length,
        probabilities=probabilities,
    )
    show(terminal, ship(job, terminal))
