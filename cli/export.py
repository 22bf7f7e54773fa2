"""`kdc export`: student folder -> phone folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import Json, Quiet
from kdc.export.exporters import EXPORTERS
from kdc.export.quantizers import AUTO, NONE, QUANTIZERS

if TYPE_CHECKING:
    from kdc.export.trials import Trial


def export(
    student: Annotated[
        Path, typer.Argument(metavar="STUDENT", help="A student folder of `kdc distill`.")
    ] = Path("student"),
    quantize: Annotated[
        bool, typer.Option("--quantize", help=f"Make the model smaller: --method {AUTO}.")
    ] = False,
    method: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"One of {', '.join([AUTO, *QUANTIZERS])}.")
    ] = None,
    exporter: Annotated[
        str, typer.Option(metavar="NAME", help=f"One of {', '.join(EXPORTERS)}.")
    ] = "torch",
    max_drop: Annotated[
        float, typer.Option(metavar="POINTS", min=0.0, help="Points that the metric may lose.")
    ] = 1.0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The phone folder.")] = Path("phone"),
    json_to: Json = None,
    quiet: Quiet = False,
) -> None:
    """Turn a student into a phone folder and student.onnx."""
    from kdc.export.ship import ship

    terminal = Terminal(quiet, json_to)
    chosen = method or (AUTO if quantize else NONE)
    shipped = ship(student, out, terminal, method=chosen, exporter=exporter, max_drop=max_drop)
    columns = ("method", "MB", "MB zipped", "same labels", "points lost", "verdict")
    terminal.table(f"phone folder {out}", columns, [_row(t, max_drop) for t in shipped.trials])
    terminal.say(f"{shipped.copy}: {shipped.trials[-1].score}")
    terminal.result(shipped.as_dict())


def _row(trial: "Trial", max_drop: float) -> tuple[str, ...]:
    same = trial.parity.agreement
    return (
        trial.method,
        f"{trial.bytes / 1e6:.2f}",
        f"{trial.zip_bytes / 1e6:.2f}",
        "-" if same is None else f"{100 * same:.2f} %",
        str(trial.drop),
        "shipped" if trial.drop.points <= max_drop else f"over {max_drop:g}",
    )
