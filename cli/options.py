"""The options that several commands share, each described once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kdc.compress.errors import KdcError

USUAL = "student"
"""What is asked where the user names no model: what `kdc distill` writes."""
_SEEDS = 2**63 - 1  # the largest that torch and TOML both hold

Json = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the result as JSON too; - is standard output."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print results and errors only.")]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, max=_SEEDS, help="Seed of all that is random.")
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="NAME", help="Where to compute: auto, cpu, cuda or mps."),
]

Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DATA",
        help="A task of `kdc list tasks`, a CSV, TSV, JSONL or Parquet file, a folder with "
        "train.* and dev.*, or hf:DATASET.",
    ),
]
Dev = Annotated[
    Path | None,
    typer.Option(
        "--dev", metavar="FILE", help="The dev rows of a --data file; else a tenth is set aside."
    ),
]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="COLUMN", help="Column of the text, where it is not found."),
]
Pair = Annotated[
    str | None,
    typer.Option("--pair", metavar="COLUMN", help="Column of the second text of a pair."),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="COLUMN",
        help="Column of the label, where it is not found; or a,b,c: columns of 0 and 1, one a "
        "label, of which a row may have several.",
    ),
]
MultiLabel = Annotated[
    str | None,
    typer.Option(
        "--multi-label",
        metavar="SEP",
        help="A row may have several labels, or none: what stands between them in its cell, one "
        "of '|', ';' and ','.",
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Metric to score by, where not the usual one. One for scores, such as pearson, takes "
        "whole numbers for scores and not for classes.",
    ),
]

Epochs = Annotated[
    float | None,
    typer.Option("--epochs", metavar="N", help="Passes over the rows, instead of the recipe's."),
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", metavar="X", help="Peak rate, instead of the recipe's."),
]
MaxLength = Annotated[
    int | None,
    typer.Option(
        "--max-length",
        metavar="N",
        min=1,
        help="Tokens a text is cut to; else 128 or the model's longest.",
    ),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        "--corpus", metavar="DIR", help="Token shards of kdc corpus, in place of a task's data."
    ),
]
Tokens = Annotated[
    int | None,
    typer.Option(
        "--tokens", metavar="N", help="With --corpus: how many to train on, in place of epochs."
    ),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="With --corpus: compile the encoders, for long runs.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run that was stopped, bit for bit.")
]


def given(context: typer.Context) -> set[str]:
    """Return the names of the options that the user gave."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name != "DEFAULT"}


def chosen(context: typer.Context, name: str) -> str | None:
    """Return the value of an option where the user gave it; None for its default."""
    return str(context.params[name]) if name in given(context) else None


@contextmanager
def data_meant(context: typer.Context) -> Iterator[None]:
    """Add to an error about rows that do not fit a model that nobody chose these rows.

    Raises:
        KdcError: as the block does.
    """
    try:
        yield
    except KdcError as error:
        if "data" in given(context):
            raise
        said = str(error).removesuffix(": another task?")
        usual = context.params["data"]
        raise KdcError(
            f"{said}; without --data it is {usual} that is read: name your table with --data"
        ) from error


def refuse_given(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Refuse options that mean nothing beside the others.

    Raises:
        KdcError: one was given (it is named).
    """
    for name in names:
        if name in given(context):
            option = "compile" if name == "compiled" else name.replace("_", "-")
            raise KdcError(f"--{option} {why}")
