"""The student folder: what `kdc distill` hands to `kdc export`.

Files: `config.json`, `model.safetensors` and the tokenizer's files (loads with transformers'
`AutoModelForSequenceClassification`), `recipe.toml` (everything needed to repeat the run),
`metrics.json`, `dev.npz`, `calibration.npz`, `token_counts.npz`, and `manifest.json`, written last.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples, load_examples
from kdc.compress.files import MANIFEST, read_json, read_manifest, sha256
from kdc.compress.metrics import Score
from kdc.compress.task import Task

FORMAT = "kdc.student/1"
FORM = "kdc.student"
_COUNTS = "token_counts.npz"


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

    def token_counts(self) -> Array | None:
        """Read `token_counts.npz`: how often each token occurs in the training rows.

        Returns:
            (V,) int64, V being the configuration's `vocab_size`; None in the folder of an older
            kdc, which counted nothing.

        Raises:
            KdcError: the file is damaged, or of another vocabulary.
        """
        if _COUNTS not in self.manifest["files"]:
            return None
        path, config = self.folder / _COUNTS, self.folder / "config.json"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                counts: Array = arrays["counts"]
        except Exception as error:  # numpy, zipfile and zlib each have their own ways to fail
            raise KdcError(f"{path} is damaged or no file of kdc's: {error}") from error
        rows = read_json(config).get("vocab_size")
        if counts.shape != (rows,) or counts.dtype.kind not in "iu" or counts.min(initial=0) < 0:
            raise KdcError(
                f"{path} is damaged: it must hold one count for each of the {rows} tokens of "
                f"{config.name}, and holds {counts.dtype} of the shape {counts.shape}"
            )
        return counts.astype(np.int64)


def save_token_counts(folder: Path, tokens: Array, rows: int) -> None:
    """Write `token_counts.npz`; the same tokens give the same bytes.

    Args:
        folder: a student folder that is being written.
        tokens: (N,) ids of all training rows, each below `rows`.
        rows: V, the rows of the word embedding.
    """
    counts = np.bincount(tokens, minlength=rows).astype(np.int64)
    np.savez_compressed(folder / _COUNTS, allow_pickle=False, counts=counts)


def refuse_general(folder: Path, then: str) -> None:
    """Refuse an encoder that knows no task, which nothing could be asked.

    Args:
        folder: any folder.
        then: what to do with the student that comes of it, such as `export that`.
    """
    path = folder / MANIFEST
    if path.is_file() and str(read_json(path).get("format", "")).startswith("kdc.encoder/"):
        raise KdcError(
            f"{folder} is a general student, which knows no task yet: distil it on one with "
            f"kdc distill --teacher T --student {folder} --data D, and {then}"
        )


def read_student(folder: Path) -> Student:
    """Read and check a student folder.

    Raises:
        KdcError: it is missing, of another format, incomplete or corrupted (the file is named).
    """
    refuse_general(folder, "export that")
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
