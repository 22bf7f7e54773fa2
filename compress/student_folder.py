"""Writing the student folder: the model, how it was made, how good it is, and what proves it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Logits
from kdc.compress.artifact import FORM, FORMAT, save_token_counts
from kdc.compress.encoder_folder import write_encoder
from kdc.compress.examples import calibration_rows, save_examples
from kdc.compress.files import whole_folder, write_json, write_manifest, write_text
from kdc.compress.recipe import Recipe
from kdc.compress.report import Report
from kdc.compress.rows import Rows
from kdc.compress.task import Task
from kdc.compress.toml import to_toml
from kdc.compress.workspace import made_with


def write_student(
    out: Path,
    student: Model,
    rows: Rows,
    task: Task,
    dev_logits: Logits,
    report: Report,
    recipe: Recipe,
    identity: dict[str, Any],
) -> None:
    """Write a student folder; the same run gives the same bytes.

    Args:
        out: where it goes.
        student: the trained model.
        rows: the data in its tokens.
        task: what it answers.
        dev_logits: (N, C) its answers on dev, each row computed alone in fp32.
        report: the scores.
        recipe: how it was trained.
        identity: what it was trained from; the `[run]` of `recipe.toml`.

    Raises:
        KdcError: the disk is full, or `out` holds something else.
    """
    with whole_folder(out, FORM) as folder:
        write_encoder(folder, student, rows)
        write_text(folder / "recipe.toml", to_toml({**recipe.as_dict(), "run": identity}))
        write_json(folder / "metrics.json", report.as_dict())
        save_examples(folder / "dev.npz", replace(rows.dev, logits=dev_logits))
        save_examples(folder / "calibration.npz", calibration_rows(rows.train))
        save_token_counts(folder, rows.train.tokens, student.config.vocab_size)
        fields = {
            "parent": {"teacher": identity["teacher_sha256"], "data": identity["data_sha256"]},
            "task": task.as_dict(),
            "labels": list(task.labels),
            "max_length": rows.max_length,
            "made_with": made_with(),
        }
        write_manifest(folder, FORMAT, fields)
