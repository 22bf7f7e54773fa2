"""`kdc eval`: the task's metric of a teacher, a student or an `.onnx`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from kdc.cli import options


def evaluate(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="A model folder, a phone folder, an .onnx or a Hub id."),
    ] = "student",
    data: options.Data = "phone-commands",
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Which rows: dev, test, train or all.")
    ] = "dev",
    dev: options.Dev = None,
    text: options.Text = None,
    pair: options.Pair = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    metric: options.Metric = None,
    device: options.Device = "auto",
    json: options.Json = None,
    quiet: options.Quiet = False,
) -> None:
    """Score a model, or the file that ships, on a table of texts."""
    from kdc.cli.console import Terminal
    from kdc.cli.scores import show_scores
    from kdc.cli.table import load_table
    from kdc.compress.data.labels import Known
    from kdc.compress.judge import ALL, chosen_rows, folder_answers, in_data_order, known_of
    from kdc.compress.metrics import score
    from kdc.compress.models import find_model
    from kdc.export.phone_model import find_phone, is_phone

    terminal = Terminal(quiet, json, [model, data, dev])
    columns = {"text": text, "pair": pair, "label": label, "metric": metric}
    columns["multi_label"] = multi_label
    if is_phone(Path(model)):
        from kdc.cli.phone_answers import phone_answers

        options.refuse_given(context, ["device"], "is for model folders: this one runs on the CPU")
        phone = find_phone(Path(model))
        known: Known | None = Known(phone.task.kind, phone.task.labels)
        answers = partial(phone_answers, phone)
    else:
        source = find_model(model, terminal)
        known, answers = known_of(source), partial(folder_answers, source, device=device)
    table = load_table(terminal, data, dev, known, split != ALL, **columns)
    rows = chosen_rows(table, split)
    labels, logits = answers(rows=rows, progress=terminal)
    found = score(table.task.metric, *in_data_order(table.task, labels, logits, rows))
    show_scores(terminal, data, {split: {model: found}})
    terminal.result({"model": model, "data": data, "split": split, **found.as_dict()})
