"""`kdc eval`: the task's metric of a teacher, a student or an `.onnx`."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli import options


def evaluate(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Option(metavar="MODEL", help="A model folder, a phone folder, an .onnx or a Hub id."),
    ] = options.USUAL,
    data: options.Data = "phone-commands",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which rows: dev, test, train or all; else dev, or all of a file without dev rows "
            "that is not the one that the model was trained on.",
        ),
    ] = None,
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
    from kdc.cli.answerer import find_answerer
    from kdc.cli.console import Terminal
    from kdc.cli.scores import show_classes, show_scores
    from kdc.cli.table import load_table
    from kdc.cli.written import do_all
    from kdc.compress.judge import (
        ALL,
        chosen_rows,
        in_data_order,
        names_in_data_order,
        refuse_other_table,
    )
    from kdc.compress.metrics import score
    from kdc.compress.per_class import per_class
    from kdc.export.model_file import files_of

    terminal = Terminal(quiet, json, [*files_of(Path(model)), data, dev])
    columns = {"text": text, "pair": pair, "label": label, "metric": metric}
    columns["multi_label"] = multi_label
    answerer = find_answerer(model, options.chosen(context, "device"), terminal)
    known = answerer.known if split in (None, ALL) else answerer.known_by_name
    table = load_table(terminal, data, dev, known, split != ALL, **columns)
    with options.data_meant(context):
        refuse_other_table(model, answerer.pair, data, table.task)
    split = split or ("dev" if len(table.dev) else ALL)
    rows = chosen_rows(table, split)
    if split == ALL and table.learned:
        terminal.say(f"{model} was trained on most of these rows: --split dev scores the others")
    labels, logits = answerer.answers(rows, terminal)
    with options.data_meant(context):
        logits, gold = in_data_order(table.task, labels, logits, rows)
    found = score(table.task.metric, logits, gold)
    names = names_in_data_order(table.task, labels)
    classes = per_class(table.task.kind, names, logits, gold)
    result = {"model": model, "data": data, "split": split, **found.as_dict()}
    result["classes"] = [row.as_dict() for row in classes]
    do_all(
        lambda: terminal.result(result),
        lambda: show_scores(terminal, data, {split: {model: found}}),
        lambda: show_classes(terminal, classes),
    )
