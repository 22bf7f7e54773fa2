"""`kdc distill --corpus` and `kdc teacher --objective mlm`: encoders that know no task."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from kdc.cli.console import Terminal
from kdc.cli.options import given, refuse_given
from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    from kdc.compress.general.job import GeneralJob

_TASK = ("data", "dev", "text", "pair", "label", "multi_label", "metric", "max_length")
_STUDENT = ("unlabelled", "teacher_weights", "seeds", "vocab", "embedding_rank", "controls")
_SAME = ("out", "tokens", "seed", "device", "compiled", "resume")
"""Options that are a job's fields by the same names."""
_TOLD = ("teacher", "corpus", "labels", "student", "tokens", "seed")
"""What is told of a run that is repeated."""


def distil_corpus(context: typer.Context, terminal: Terminal) -> None:
    """Make a general student.

    Raises:
        KdcError: an option that belongs to a task, or as `distill_general`.
    """
    from kdc.compress.general.job import GeneralJob, rerun
    from kdc.compress.general.teach import usual_recipe
    from kdc.compress.labels.store import teacher_name
    from kdc.compress.reachable import reachable
    from kdc.compress.recipe import load_recipe, load_run
    from kdc.compress.rerun import differences

    refuse_given(context, (*_TASK, *_STUDENT), "belongs to a task: leave it out with --corpus")
    values = dict(context.params)
    for name in ("teacher", "recipe"):
        if len(values[name]) > 1:
            raise KdcError(f"a general student has one {name}: give --{name} once")
        values[name] = values[name][0]
    said = given(context)
    if "labels" in said and "teacher" not in said:
        values["teacher"] = teacher_name(values["labels"])
        said.add("teacher")
        terminal.say(f"teacher: {values['teacher']}, whose labels {values['labels']} holds")
    run: dict[str, Any] = {}
    if "recipe" in said:
        run = load_run(values["recipe"])  # before its folder is made anew
        found = reachable(rerun(run, said, values["recipe"]), values["recipe"], terminal)
        values |= found
        if words := [f"{name} {found[name]}" for name in _TOLD if found.get(name) is not None]:
            terminal.say(f"{values['recipe']}: as in its run: {', '.join(words)}")
    else:
        values["recipe"] = usual_recipe(values["teacher"], terminal)
        terminal.say(f"recipe: {values['recipe']}")
    job = GeneralJob(
        corpus=Path(values["corpus"]),
        recipe=load_recipe(values["recipe"]).with_options(*_pace(values)),
        student=values["student"],
        goes_on=values.get("goes_on", False),
        teacher=values["teacher"],
        labels=values["labels"] and Path(values["labels"]),
        heads=values["heads"],
        ffn=values["ffn"],
        activation=values["activation"],
        **{name: values[name] for name in _SAME},
    )
    _make(terminal, job)
    after = f"kdc distill --student {quote(str(job.out))} --teacher T --data D"
    terminal.say(f"{job.out}: next: {after}")
    if changed := differences(run, load_run(str(job.out / "recipe.toml"))):
        terminal.say(f"not the run of {values['recipe']}: {' and '.join(changed)} changed since")


def pretrain(context: typer.Context, terminal: Terminal) -> None:
    """Make a teacher with a masked-LM head.

    Raises:
        KdcError: an option that belongs to a task, no corpus, no model and no shape, or as
            `distill_general`.
    """
    from kdc.compress.files import MANIFEST, read_json
    from kdc.compress.general.job import GeneralJob
    from kdc.compress.recipe import load_recipe

    refuse_given(context, _TASK, "belongs to a task: leave it out with --objective mlm")
    values, said = dict(context.params), given(context)
    if values["corpus"] is None:
        raise KdcError("--objective mlm trains on a corpus: give --corpus, made by kdc corpus")
    if (values["shape"] is None) == ("model" not in said):
        raise KdcError("give --model to go on with an encoder, or --shape to start anew")
    recipe = values["recipe"] if "recipe" in said else "pretrain"
    job = GeneralJob(
        corpus=values["corpus"],
        recipe=load_recipe(recipe).with_options(*_pace(values)),
        student=values["shape"] or values["model"],
        goes_on=values["shape"] is None,
        **{name: values[name] for name in _SAME},
    )
    _make(terminal, job)
    masked = read_json(job.corpus / MANIFEST)["duplicates"]  # what is masked anew has no labels
    command = "label" if masked else "distill --corpus"
    after = f"kdc {command} {quote(str(job.corpus))} --teacher {quote(str(job.out))}"
    terminal.say(f"{job.out}: next: {after}")


def _pace(values: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return the user's own epochs and learning rate.

    Raises:
        KdcError: both epochs and tokens.
    """
    if values["tokens"] is not None and values["epochs"] is not None:
        raise KdcError("--tokens and --epochs both say how long to train: give one of them")
    return values["epochs"], values["learning_rate"]


def _called(name: str) -> str:
    """Say what a figure on held-out sequences is."""
    from kdc.compress.general.held_out import ACCURACY, DIVERGENCE, LOSS, PLACES

    known = {
        LOSS: "cross-entropy of the masked words, nats",
        ACCURACY: "share of the masked words filled in right",
        DIVERGENCE: "KL(teacher || student) of a masked word, nats",
        PLACES: "masked words",
    }
    return known.get(name, f"loss {name.removeprefix('held_out_')}")


def _make(terminal: Terminal, job: "GeneralJob") -> None:
    from kdc.cli.failures import finished_before
    from kdc.compress.general.distill import distill_general

    with finished_before(terminal):
        metrics = distill_general(job, terminal)
    rows = [(_called(name), f"{value:.4g}") for name, value in metrics.get("held_out", {}).items()]
    if rows:
        terminal.table(f"{job.student} on held-out sequences", ("figure", "value"), rows)
    else:
        terminal.say("nothing was held out of the corpus, so nothing judges the model")
    terminal.result(metrics)
