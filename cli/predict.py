"""`kdc predict`: what a model says to a text."""

import re
import sys
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import USUAL, Device, Json, Quiet, chosen
from kdc.compress.errors import KdcError
from kdc.compress.progress import plural

if TYPE_CHECKING:
    from kdc.compress.data.dataset import Split
    from kdc.compress.predictions import Prediction

_LINES = "-"
_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are not UTF-8


def predict(
    context: typer.Context,
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="Texts; - reads one a line from standard input."),
    ],
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="A model folder, a phone folder, an .onnx or a Hub id."),
    ] = USUAL,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="TEXT", help="The second text of a pair, once a TEXT."),
    ] = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many of the most probable to show.")
    ] = 3,
    device: Device = "auto",
    json: Json = None,
    quiet: Quiet = False,
) -> None:
    """Answer texts with a model, or with the file that ships."""
    from kdc.cli.answerer import find_answerer
    from kdc.cli.written import do_all
    from kdc.compress.judge import refuse_other_texts
    from kdc.compress.predictions import read_predictions
    from kdc.export.model_file import files_of

    terminal, rows = Terminal(quiet, json, files_of(Path(model))), _rows(texts, pair)
    answerer = find_answerer(model, chosen(context, "device"), terminal)
    ways = ("leave --pair out", "give the second text of each with --pair")
    refuse_other_texts(model, answerer.pair, rows.pairs is not None, "these are", *ways)
    _, logits = answerer.answers(rows, terminal)
    found = read_predictions(answerer.task, logits, top)
    every = [{**_asked(rows, row), **each.as_dict()} for row, each in enumerate(found)]
    result = {"model": model, "answers": every}
    do_all(lambda: terminal.result(result), lambda: _show(terminal, model, rows, found))


def _rows(texts: list[str], pairs: list[str] | None) -> "Split":
    """Return what is asked as rows, whose labels nobody knows."""
    if any(_SURROGATE.search(text) for text in (*texts, *(pairs or ()))):
        raise KdcError("a text is not UTF-8: convert it, for instance by iconv")
    if texts.count(_LINES) > 1:
        raise KdcError(f"{_LINES} is standard input, which can be read once: name it once")
    texts = [line for text in texts for line in (_lines() if text == _LINES else [text])]
    if pairs is not None and len(pairs) != len(texts):
        counts = f"{plural(len(texts), 'text')}, and --pair {plural(len(pairs), 'time')}"
        raise KdcError(f"{counts}: give one for each, in the same order")
    import numpy as np

    from kdc.compress.data.dataset import Split

    return Split(texts, pairs, np.zeros(len(texts), dtype=np.int64))


def _lines() -> list[str]:
    """Read standard input, a text a line; other characters that end lines are part of a text."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KdcError("standard input is not UTF-8: convert it, for instance by iconv") from error
    if not text:
        raise KdcError("standard input is empty: give texts, one a line")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _asked(rows: "Split", row: int) -> dict[str, str]:
    return {"text": rows.texts[row], **({} if rows.pairs is None else {"pair": rows.pairs[row]})}


def _show(terminal: Terminal, model: str, rows: "Split", found: "list[Prediction]") -> None:
    """Print a line a text; the probabilities last, which are the longest."""
    from kdc.cli.scores import short, told

    pairs = rows.pairs or repeat(None)  # without end, so that the lengths are not compared
    table = [
        [short(text, pair), told(each.answer), _shares(each)]
        for text, pair, each in zip(rows.texts, pairs, found, strict=False)
    ]
    shown = 3 if found[0].probabilities else 2  # scores have none
    terminal.table(model, ["text", "answer", "probability"][:shown], [row[:shown] for row in table])


def _shares(found: "Prediction") -> str:
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.probabilities)
