"""The model card: what ships, how good and how big it is, how it was made, how to use it."""

import tomllib
from typing import Any

from kdc.compress.artifact import Student
from kdc.compress.errors import KdcError
from kdc.compress.metrics import Score
from kdc.compress.task import Task
from kdc.export.snippets import javascript, python
from kdc.export.trials import Trial


def card(student: Student, trial: Trial, file: str, made_with: dict[str, str]) -> str:
    """Return the card as Markdown, with the front matter that model hubs read.

    Args:
        student: the student folder.
        trial: the method that ships.
        file: the model's name in the phone folder.
        made_with: versions of the libraries that exported it.

    Raises:
        KdcError: the student's recipe is damaged.
    """
    task = student.task
    parts = [
        "---\nlibrary_name: transformers.js\npipeline_tag: text-classification\n---",
        f"# {task.name}",
        _what(task),
        f"## How good\n\n{_good(student, trial)}",
        f"## How big\n\n{_big(trial, file)}",
        "## How fast\n\nThat depends on the device: `kdc bench --model student.onnx` measures it. "
        f"Texts are run alone, without padding, and are cut at {student.max_length} tokens.",
        f"## How made\n\n{_made(student, made_with)}",
        f"## How to use it\n\nIn Python, inside this folder:\n\n{python(task, file)}",
        f"In JavaScript, with this folder beside the page as `phone/`:\n\n{javascript(task)}",
        "`golden.json` holds texts with the ids, logits and labels that every app must reproduce.",
    ]
    return "\n\n".join(parts) + "\n"


def _what(task: Task) -> str:
    given = "two texts" if task.pair else "a text"
    end = "It is a small model distilled from a larger one, to run on the device itself."
    if task.kind == "regression":
        return f"Gives {given} a score. {end}"
    labels = ", ".join(f"`{label}`" for label in task.labels)
    return f"Gives {given} one of {len(task.labels)} labels: {labels}. {end}"


def _good(student: Student, trial: Trial) -> str:
    rows = [("teacher", student.teacher), ("student", student.student), ("shipped", trial.score)]
    parity, task = trial.parity, student.task
    agreement = (
        "" if parity.agreement is None else f"the same label for {100 * parity.agreement:.2f} %, "
    )
    return (
        f"{task.metric} on {trial.score.n} dev texts, each answered alone:\n\n"
        "| model | % | 95 % interval | kept of the teacher |\n|---|---|---|---|\n"
        + "".join(_row(name, score, student.teacher) for name, score in rows)
        + f"\nAgainst the student as it was trained: {agreement}logits off by {parity.mean:.4f} "
        f"on average and {parity.largest:.4f} at most, {trial.drop} points lost."
    )


def _row(name: str, score: Score, teacher: Score) -> str:
    kept = f"{100 * score.value / teacher.value:.1f} %" if teacher.value else "-"
    interval = f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    return f"| {name} | {100 * score.value:.2f} | {interval} | {kept} |\n"


def _big(trial: Trial, file: str) -> str:
    return (
        f"`{file}`, quantization `{trial.method}`: {trial.bytes / 1e6:.2f} MB ({trial.bytes} "
        f"bytes), {trial.zip_bytes / 1e6:.2f} MB zipped."
    )


def _made(student: Student, made_with: dict[str, str]) -> str:
    """List what it was made from; of a path only the last part, the rest is of no use elsewhere."""
    recipe = _recipe(student)
    run: dict[str, Any] = recipe.get("run", {})
    facts = {
        "recipe": recipe.get("name"),
        **{key: run.get(key) for key in ("teacher", "data", "student", "seed")},
        **{f"{key} sha256": value for key, value in student.manifest.get("parent", {}).items()},
        "student sha256": student.digest,
        "distilled with": _versions(student.manifest.get("made_with", {})),
        "exported with": _versions(made_with),
    }
    return "\n".join(
        f"* {key}: {str(value).rstrip('/').rpartition('/')[2]}"
        for key, value in facts.items()
        if value not in (None, "")
    )


def _recipe(student: Student) -> dict[str, Any]:
    path = student.folder / "recipe.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KdcError(f"{path} is missing or no TOML: distil again") from error


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
