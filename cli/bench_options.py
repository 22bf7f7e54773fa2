"""The options of `kdc bench`."""

from pathlib import Path
from typing import Annotated

import typer

USUAL = Path("student.onnx")
"""What is measured when no model is named."""

Models = Annotated[
    list[Path] | None,
    typer.Argument(metavar="MODEL", help="Like --model.", show_default=False),
]
Model = Annotated[
    list[Path] | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="An .onnx or a phone folder; several are put side by side.",
        show_default=str(USUAL),
    ),
]
Versus = Annotated[
    list[Path] | None,
    typer.Option(
        "--vs",
        metavar="MODEL",
        help="Run it in turns with each model, and tell how much faster; --runs turns and "
        "--seconds for each, thrice that on a busy machine.",
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="A name from `kdc list devices`.")
]
Length = Annotated[
    str | None,
    typer.Option(
        "--length",
        metavar="N,...",
        help="Tokens of the texts; natural is what the task's own texts have.",
        show_default="natural,128",
    ),
]
Threads = Annotated[int, typer.Option("--threads", metavar="N", help="Threads that share one run.")]
Runs = Annotated[int, typer.Option("--runs", metavar="N", help="Most runs of each length.")]
Seconds = Annotated[
    float, typer.Option("--seconds", metavar="S", help="Time for the runs of each length.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", metavar="M", help="Run each length for as long, and tell the drift by minute."
    ),
]
CpuProfile = Annotated[
    str,
    typer.Option(
        "--cpu-profile",
        metavar="NAME",
        help="native, or phone: without a server's matrix units (AMX).",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DATA", help="Rows to answer and score on the device, as for kdc eval."
    ),
]
Split = Annotated[
    str,
    typer.Option("--split", metavar="NAME", help="Which rows of --data: train, dev, test or all."),
]
Rows = Annotated[
    int | None,
    typer.Option("--rows", metavar="N", help="Most rows of --data, evenly spread, instead of all."),
]
Student = Annotated[
    Path | None,
    typer.Option(
        "--student",
        metavar="FOLDER",
        help="With --data: compare with it; else with the one beside the phone folder.",
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(
        "--teacher",
        metavar="MODEL",
        help="With --data: compare with it; else with the student's own, where it lies ready.",
    ),
]
