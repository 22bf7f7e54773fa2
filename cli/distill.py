"""`kdc distill`: teacher -> student."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdc.cli import options
from kdc.cli.console import Terminal
from kdc.cli.options import refuse_given

if TYPE_CHECKING:
    from kdc.compress.job import StudentJob
    from kdc.compress.recipe import Recipe


_SAME = (
    *("student", "out", "heads", "ffn", "activation", "vocab", "embedding_rank", "max_length"),
    *("controls", "seed", "setup_seed", "device", "resume"),
)
"""Options that are a job's fields by the same names."""


def distill(
    context: typer.Context,
    teacher: Annotated[
        list[str],
        typer.Option(metavar="MODEL", help="minilm, a model folder or a Hub id; several for one."),
    ] = ["minilm"],  # noqa: B006 - typer copies it
    teacher_weights: Annotated[
        str | None,
        typer.Option(metavar="N,...", help="What each teacher's logits weigh in their mean."),
    ] = None,
    data: options.Data = "phone-commands",
    corpus: options.Corpus = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --corpus: what kdc label wrote, so that no teacher runs."
        ),
    ] = None,
    tokens: options.Tokens = None,
    unlabelled: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Further texts of the task, which the teacher labels."),
    ] = None,
    student: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="One of `kdc list students`, LAYERSxHIDDEN, or a student's folder.",
        ),
    ] = "3x384",
    recipe: Annotated[
        list[str],
        typer.Option(
            metavar="NAME",
            help="One of `kdc list recipes`, or a .toml file; of several, each is run.",
        ),
    ] = ["best"],  # noqa: B006 - typer copies it
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Run each recipe with N seeds and compare: OUT/NAME-seed0."),
    ] = None,
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
    controls: Annotated[
        bool,
        typer.Option(
            "--controls/--no-controls",
            help="Train the same student from scratch as well, to compare with.",
        ),
    ] = True,
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
    """Distil a teacher into a small student, of a task or general.

    With several processes, one a GPU or a core:
    torchrun --nproc-per-node 2 -m kdc.cli.main distill ...
    """
    from kdc.compress.early import check_options
    from kdc.compress.recipe import load_recipe, load_run

    reads = [*teacher, *recipe, data, dev, unlabelled, corpus, labels, student]
    terminal = Terminal(quiet, json, reads, out)
    if corpus is not None or (len(recipe) == 1 and "corpus" in load_run(recipe[0])):
        from kdc.cli.general import distil_corpus

        distil_corpus(context, terminal)
        return
    refuse_given(context, ("labels", "tokens", "compiled"), "goes with --corpus")
    recipes = [load_recipe(name).with_options(epochs, learning_rate) for name in recipe]
    values = {**context.params, "setup_seed": None}
    run = _repeat(context, terminal, recipe, values)
    sizes = (values["student"], values["heads"], values["ffn"])
    check_options([each.name for each in recipes], seeds, device, *sizes)
    job = _job(terminal, recipes[0], values)
    if len(recipes) > 1 or seeds is not None:
        _compare(terminal, job, recipes, 1 if seeds is None else seeds)
    else:
        _one(terminal, job, recipe[0], run)


def _repeat(
    context: typer.Context, terminal: Terminal, recipes: list[str], values: dict[str, Any]
) -> dict[str, Any]:
    """Where the recipe is that of a student folder, put what its run had into `values`.

    Returns:
        The recipe's `[run]`, empty where it has none.
    """
    from kdc.compress.reachable import reachable
    from kdc.compress.recipe import load_run
    from kdc.compress.rerun import rerun_options

    run = load_run(recipes[0]) if len(recipes) == 1 else {}
    found = rerun_options(run, options.given(context), recipes[0]) if run else {}
    found = reachable(found, recipes[0], terminal)
    values.update(found)
    if found:
        told = ("teacher", "data", "unlabelled", "student", "seed")
        words = [f"{name} {_plain(found[name])}" for name in told if name in found]
        terminal.say(f"{recipes[0]}: as in its run: {', '.join(words)}")
    return run


def _plain(value: object) -> str:
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def _job(terminal: Terminal, recipe: "Recipe", values: dict[str, Any]) -> "StudentJob":
    """Read the data and say what is wanted of them."""
    from kdc.cli.table import load_more, load_table
    from kdc.compress.job import StudentJob, read_weights

    columns = {name: values[name] for name in ("text", "pair", "label", "multi_label", "metric")}
    dev = values["dev"] and Path(values["dev"])
    rows = load_table(terminal, values["data"], dev, **columns)
    given = {**columns, "dev": dev and str(dev)}
    return StudentJob(
        teachers=tuple(values["teacher"]),
        teacher_weights=read_weights(values["teacher_weights"]),
        data=rows,
        data_name=values["data"],
        unlabelled=load_more(terminal, values["unlabelled"], rows, values["text"], values["pair"]),
        unlabelled_name=values["unlabelled"],
        recipe=recipe,
        options={name: value for name, value in given.items() if value is not None},
        **{name: values[name] for name in _SAME},
    )


def _one(terminal: Terminal, job: "StudentJob", name: str, run: dict[str, Any]) -> None:
    from kdc.cli.failures import finished_before
    from kdc.cli.scores import has_learned, show_report
    from kdc.compress.distill import distill
    from kdc.compress.recipe import load_run
    from kdc.compress.rerun import differences

    if run and run.get("data_sha256") != job.data.digest():
        terminal.say(f"{job.data_name} holds other data than the run of {name} had")
    with finished_before(terminal):
        report = distill(job, terminal)
    show_report(terminal, f"{job.data_name}: {job.student} by {name}", report)
    changed = differences(run, load_run(str(job.out / "recipe.toml")))
    if changed:
        terminal.say(f"not the run of {name}: {' and '.join(changed)} changed since")
    student = "" if job.out == Path("student") else f" {quote(str(job.out))}"
    after = f"; next: kdc export{student} --quantize" if has_learned(report) else ""
    terminal.say(f"{job.out}: keeps {report.retained:.1%} of the teacher on dev{after}")
    terminal.result(report.as_dict())


def _compare(terminal: Terminal, job: "StudentJob", recipes: "list[Recipe]", seeds: int) -> None:
    from kdc.cli.failures import explain
    from kdc.cli.sweep import show_sweep
    from kdc.compress.errors import KdcError
    from kdc.compress.sweep import run_sweep, sweep_jobs

    results = run_sweep(sweep_jobs(job, recipes, seeds), terminal, explain)
    show_sweep(terminal, f"{job.data_name}: {job.student}", results)
    terminal.result(results.as_dict())
    if results.failed:
        first = results.failed[0]
        raise KdcError(
            f"{len(results.failed)} of {len(results.entries)} runs failed, {first.key} first: "
            f"{first.failure}"
        )
