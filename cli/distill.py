"""`kdc distill`: teacher -> student."""

from pathlib import Path
from typing import Annotated

import typer

from kdc.cli import options


def distill(
    teacher: Annotated[
        str, typer.Option(metavar="MODEL", help="minilm, a model folder or a Hub id.")
    ] = "minilm",
    data: options.Data = "phone-commands",
    student: Annotated[
        str, typer.Option(metavar="NAME", help="One of `kdc list students`, or LAYERSxHIDDEN.")
    ] = "3x384",
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="One of `kdc list recipes`, or a .toml file.")
    ] = "hinton",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The student folder.")] = Path("student"),
    heads: Annotated[int | None, typer.Option(help="Attention heads of the student.")] = None,
    ffn: Annotated[int | None, typer.Option(help="Feed-forward width of the student.")] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its activation, such as gelu or relu.")
    ] = None,
    vocab: Annotated[
        str,
        typer.Option(metavar="keep|task|N", help="Tokens that it keeps: all, the task's, or N."),
    ] = "keep",
    embedding_rank: Annotated[
        int | None,
        typer.Option(metavar="R", help="Train the token embedding as two factors of this rank."),
    ] = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    dev: options.Dev = None,
    text: options.Text = None,
    pair: options.Pair = None,
    label: options.Label = None,
    metric: options.Metric = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    resume: options.Resume = False,
    json: options.Json = None,
    quiet: options.Quiet = False,
) -> None:
    """Distil a teacher into a small student."""
    from kdc.cli.console import Terminal
    from kdc.cli.scores import show_scores
    from kdc.cli.table import load_table
    from kdc.compress.recipe import load_recipe

    terminal = Terminal(quiet, json)
    chosen = load_recipe(recipe).with_options(epochs, learning_rate)
    columns = {"text": text, "pair": pair, "label": label, "metric": metric}
    rows = load_table(terminal, data, dev, seed, **columns)

    from kdc.compress.distill import StudentJob, distill

    job = StudentJob(
        teacher=teacher,
        data=rows,
        data_name=data,
        student=student,
        recipe=chosen,
        out=out,
        heads=heads,
        ffn=ffn,
        activation=activation,
        seed=seed,
        device=device,
        max_length=max_length,
        vocab=vocab,
        embedding_rank=embedding_rank,
        resume=resume,
    )
    report = distill(job, terminal)
    scores = {"dev": report.dev, **({"test": report.test} if report.test else {})}
    show_scores(terminal, f"{data}: {student} by {recipe}", scores)
    terminal.say(f"{out}: keeps {report.retained:.1%} of the teacher on dev; next: kdc export")
    terminal.result(report.as_dict())
