"""`kdc teacher`: fine-tunes an encoder on a task."""

from pathlib import Path
from shlex import join, quote
from typing import Annotated

import typer

from kdc.cli import options
from kdc.compress.errors import unknown


def teacher(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="minilm, a model folder or a Hub id.")
    ] = "minilm",
    data: options.Data = "phone-commands",
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="One of `kdc list recipes`, or a .toml file.")
    ] = "finetune",
    objective: Annotated[
        str,
        typer.Option(metavar="task|mlm", help="A task, or the masked words of a --corpus."),
    ] = "task",
    corpus: options.Corpus = None,
    shape: Annotated[
        str | None,
        typer.Option(metavar="SHAPE", help="With mlm: start anew as this, such as 4x256."),
    ] = None,
    tokens: options.Tokens = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The teacher folder.")] = Path("teacher"),
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    dev: options.Dev = None,
    text: options.Text = None,
    pair: options.Pair = None,
    label: options.Label = None,
    multi_label: options.MultiLabel = None,
    metric: options.Metric = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    compiled: options.Compile = False,
    resume: options.Resume = False,
    json: options.Json = None,
    quiet: options.Quiet = False,
) -> None:
    """Train an encoder on a task or a corpus, to be distilled from."""
    from kdc.cli.console import Terminal
    from kdc.cli.failures import finished_before
    from kdc.cli.scores import show_scores
    from kdc.cli.table import load_table
    from kdc.compress.recipe import load_recipe

    terminal = Terminal(quiet, json, [model, data, dev, recipe, corpus], out)
    if objective not in ("task", "mlm"):
        raise unknown("objective", objective, ("task", "mlm"))
    if objective == "mlm":
        from kdc.cli.general import pretrain

        pretrain(context, terminal)
        return
    wrong = ("corpus", "shape", "tokens", "compiled")
    options.refuse_given(context, wrong, "goes with --objective mlm")
    chosen = load_recipe(recipe).with_options(epochs, learning_rate)
    columns = {"text": text, "pair": pair, "label": label, "metric": metric}
    columns["multi_label"] = multi_label
    rows = load_table(terminal, data, dev, **columns)

    from kdc.compress.finetune import TeacherJob, finetune
    from kdc.compress.preflight import fine_tuning_advice, knows_nothing, majority, no_better

    job = TeacherJob(model, rows, data, chosen, out, seed, device, max_length, resume)
    with finished_before(terminal, "dev", "test"):
        scores = finetune(job, terminal)
    by_split = {split: {"teacher": score} for split, score in scores.items()}
    show_scores(terminal, f"{data}: {model}", by_split)
    same = {"data": data, "dev": dev, **columns}  # the same rows
    words = [
        word
        for name, value in same.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    after = f"next: kdc distill --teacher {quote(str(out))} {join(words)}"
    floor = majority(rows.task, rows.train.labels, rows.dev.labels)
    if knows_nothing(rows.task, scores["dev"], floor, rows.dev.labels):
        after = f"on dev it is {no_better(rows.task, floor)}: {fine_tuning_advice(rows.task)}"
    terminal.say(f"{out}: {after}")
    terminal.result({split: score.as_dict() for split, score in scores.items()})
