"""The model card: what ships, how good and how big it is, how it was made, how to use it."""

import tomllib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from kdc.compress.artifact import Student
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json
from kdc.compress.metrics import Score
from kdc.compress.task import Task
from kdc.export.layouts import LAYOUTS, SINGLE, SUFFIX
from kdc.export.model_file import ORT
from kdc.export.options import SessionOptions
from kdc.export.public_names import public_name
from kdc.export.quantizers import QUANTIZERS
from kdc.export.snippets import OLD_X86, Fill, changes, javascript, javascript_runtime, python
from kdc.export.targets import TARGETS
from kdc.export.trials import Trial

_MAPPED = "mmap"  # the layout whose weights are a file of their own


def card(student: Student, trial: Trial, file: str, fields: Mapping[str, Any]) -> str:
    """Return the card as Markdown, with the front matter that model hubs read.

    Args:
        student: the student folder.
        trial: the method that ships.
        file: the model's name in the phone folder.
        fields: what the phone folder's manifest says of the export; what it leaves out, the card
            does as well.

    Raises:
        KdcError: the student's recipe is damaged.
    """
    task, fill, length = student.task, None, fields.get("fixed_length")
    if length is not None:
        padding = read_json(student.folder / "config.json").get("pad_token_id") or 0
        fill = Fill(length, padding)
    layout = fields.get("layout", SINGLE)
    session = SessionOptions.from_dict(fields.get("session", {}), "the manifest")
    parts = [
        "---\nlibrary_name: transformers.js\npipeline_tag: text-classification\n---",
        f"# {task.name}",
        _what(task),
        f"## How good\n\n{_good(student, trial)}",
        f"## How big\n\n{_big(trial, file, layout)}",
        "## How fast\n\nThat depends on the device: `kdc bench --model "
        f"student{PurePosixPath(file).suffix}` measures it. "
        f"Texts are run alone, {_padding(length)}, and are cut at {student.max_length} tokens.",
        f"## How made\n\n{_made(student, trial, session, fields)}",
        "## How to use it\n\nIn Python, inside this folder:\n\n"
        + python(task, file, fill, session)
        + f"\n\n{OLD_X86}" * trial.method.startswith("int"),
        _in_javascript(task, file, fill, session, layout),
        "`golden.json` holds texts with the ids and labels that every app must reproduce. Another "
        "processor may round an activation the other way, so a few logits may differ by more than "
        "its tolerance; most do not.",
    ]
    return "\n\n".join(parts) + "\n"


def _what(task: Task) -> str:
    given = "two texts" if task.pair else "a text"
    end = "It is a small model distilled from a larger one, to run on the device itself."
    if task.kind == "regression":
        return f"Gives {given} a score. {end}"
    labels = ", ".join(f"`{label}`" for label in task.labels)
    if task.kind == "multi-label":
        return (
            f"Gives {given} any of {len(task.labels)} labels, or none: {labels}. Each has a "
            "probability of its own, the sigmoid of its logit, and is given where that is above "
            f"0.5. {end}"
        )
    return f"Gives {given} one of {len(task.labels)} labels: {labels}. {end}"


def _answer(task: Task) -> str:
    return "labels" if task.kind == "multi-label" else "label"


def _padding(length: int | None) -> str:
    return "without padding" if length is None else f"padded to {length} tokens"


def _good(student: Student, trial: Trial) -> str:
    rows = [("teacher", student.teacher), ("student", student.student), ("shipped", trial.score)]
    parity, task = trial.parity, student.task
    agreement = (
        ""
        if parity.agreement is None
        else f"the same {_answer(task)} for {100 * parity.agreement:.2f} %, "
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


def _big(trial: Trial, file: str, layout: str) -> str:
    beside = f" with its weights in `{file}{SUFFIX}`, to be kept beside it" * (layout == _MAPPED)
    return (
        f"`{file}`{beside}, quantization `{trial.method}`: {trial.bytes / 1e6:.2f} MB "
        f"({trial.bytes} bytes), {trial.zip_bytes / 1e6:.2f} MB zipped."
    )


def _in_javascript(
    task: Task, file: str, fill: Fill | None, session: SessionOptions, layout: str
) -> str:
    if file.endswith(ORT):
        return (
            "In JavaScript transformers.js reads no `.ort`. ONNX Runtime Web does, with this "
            f"folder beside the page as `phone/`:\n\n{javascript_runtime(file, session)}"
        )
    code = javascript(task, fill, session, external=layout == _MAPPED)
    return f"In JavaScript, with this folder beside the page as `phone/`:\n\n{code}"


def _made(
    student: Student, trial: Trial, session: SessionOptions, fields: Mapping[str, Any]
) -> str:
    """List what it was made from, each as whoever reads the card may know it."""
    recipe = _recipe(student)
    parents = fields.get("parent", student.manifest.get("parent", {}))
    run: dict[str, Any] = recipe.get("run", {})
    teachers = run.get("teachers") or [run.get("teacher", "")]
    facts: dict[str, object] = {
        "recipe": recipe.get("name"),
        "teacher": " + ".join(public_name(str(name), student.folder, 1) for name in teachers),
        "data": public_name(str(run.get("data", "")), student.folder),
        "student": public_name(str(run.get("student", "")), student.folder),
        "seed": run.get("seed"),
        **{f"{key} sha256": value for key, value in parents.items()},
        "distilled with": _versions(student.manifest.get("made_with", {})),
        "exported with": _versions(fields.get("made_with", {})),
        **_shipped(trial, session, fields),
    }
    return "\n".join(f"* {key}: {value}" for key, value in facts.items() if value not in (None, ""))


def _shipped(trial: Trial, session: SessionOptions, fields: Mapping[str, Any]) -> dict[str, str]:
    """Return how the student became this file, in words; empty where `fields` does not say."""
    layout, target, words = (fields.get(name) for name in ("layout", "target", "vocabulary"))
    kept = words and f"{words['rows']:,} of the student's {words['rows_before']:,} tokens"
    options = session.as_dict()
    chosen = [f"{name.replace('_', ' ')} {_word(options[name])}" for name in changes(session)]
    return {
        "exporter": fields.get("exporter", ""),
        "quantization": f"{trial.method} ({QUANTIZERS[trial.method].about})",
        "meant for": f"{target} ({TARGETS[target].about})" if target else "",
        "vocabulary": kept or ("all of the student's tokens" if "vocabulary" in fields else ""),
        "layout": f"{layout} ({LAYOUTS[layout].about})" if layout else "",
        "opened with": ", ".join(chosen) or "ONNX Runtime's defaults",
    }


def _word(value: object) -> str:
    return value if isinstance(value, str) else "on" if value else "off"


def _recipe(student: Student) -> dict[str, Any]:
    path = student.folder / "recipe.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KdcError(f"{path} is missing or no TOML: distil again") from error


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
