"""The student folder: what `kdc distill` hands to `kdc export`.

Files: `config.json`, `model.safetensors` and the tokenizer's files (loads with transformers'
`AutoModelForSequenceClassification`), `recipe.toml` (everything needed to repeat the run),
`metrics.json`, `dev.npz`, `calibration.npz`, and `manifest.json`, written last.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples, load_examples
from kdc.compress.files import MANIFEST, read_json, read_manifest, sha256
from kdc.compress.metrics import Score
from kdc.compress.task import Task

FORMAT = "kdc.student/1"
FORM = "kdc.student"


@dataclass(frozen=True)
class Student:
    """A student folder whose every file has been checked."""

    folder: Path
    manifest: dict[str, Any]
    task: Task
    max_length: int
    """Tokens a text is cut to, special tokens included."""
    teacher: Score
    """The teacher's score on dev."""
    student: Score
    """The student's score on dev."""

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, which names the sha256 of every file."""
        return sha256(self.folder / MANIFEST)

    def dev(self) -> Examples:
        """Read `dev.npz`: tokens, labels, texts and the student's own logits (never None)."""
        examples = load_examples(self.folder / "dev.npz")
        if examples.logits is None:
            raise KdcError(f"{self.folder / 'dev.npz'} carries no logits: distil again")
        return examples

    def calibration(self) -> Examples:
        """Read `calibration.npz`: some of the training rows."""
        return load_examples(self.folder / "calibration.npz")


def read_student(folder: Path) -> Student:
    """Read and check a student folder.

    Raises:
        KdcError: it is missing, of another format, incomplete or corrupted (the file is named).
    """
    manifest = read_manifest(folder, FORMAT, "student folder")
    metrics = read_json(folder / "metrics.json")
    try:
        max_length = int(manifest["max_length"])
    except (KeyError, TypeError, ValueError) as error:
        raise KdcError(f"{folder / MANIFEST} has no usable max_length: distil again") from error
    return Student(
        folder=folder,
        manifest=manifest,
        task=Task.from_dict(manifest.get("task")),
        max_length=max_length,
        teacher=Score.from_dict(metrics.get("teacher")),
        student=Score.from_dict(metrics.get("student")),
    )
