"""What `kdc distill` is asked for."""

import math
from dataclasses import dataclass, field
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any

from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.errors import KdcError
from kdc.compress.kept_tokens import KEEP
from kdc.compress.progress import plural
from kdc.compress.recipe import Recipe


@dataclass(frozen=True)
class StudentJob:
    """One student: from which teachers and data, by which recipe, to where."""

    teachers: tuple[str, ...]
    """`minilm`, folders or Hub ids; the first gives the student its family and its tokens."""
    data: Dataset
    data_name: str
    student: str
    recipe: Recipe
    out: Path
    teacher_weights: tuple[float, ...] = ()
    """What each teacher's logits weigh in their mean; empty for all alike."""
    heads: int | None = None
    ffn: int | None = None
    activation: str | None = None
    seed: int = 0
    setup_seed: int | None = None
    """Seed of what comes before the student (a teacher's fine-tuning, new texts) and is shared by
    the runs of a sweep; None for `seed`."""
    device: str = "auto"
    max_length: int | None = None
    vocab: str = KEEP
    """Which of the teacher's tokens the student keeps: `keep`, `task` or how many."""
    embedding_rank: int | None = None
    """Rank that the student's token embedding is trained at; None for a plain table."""
    unlabelled: Split | None = None
    """Further texts of the task, which the teachers label."""
    unlabelled_name: str | None = None
    """Where they come from."""
    controls: bool = True
    """Train the same student from scratch on hard labels too, to compare with."""
    options: dict[str, str] = field(default_factory=dict)
    """How the data were read, for the recipe that repeats the run: `text`, `label`, `dev`, ..."""
    sweep: Path | None = None
    """The folder of the sweep that the run belongs to."""
    resume: bool = False

    def __post_init__(self) -> None:
        """Check the teachers and their weights.

        Raises:
            KdcError: no teacher, one twice, or weights that are not one positive sum of numbers.
        """
        names, weights = self.teachers, self.teacher_weights
        if not names or len(set(names)) < len(names):
            raise KdcError(f"--teacher must name each teacher once, not {', '.join(names) or '-'}")
        if not weights:
            return
        if len(weights) != len(names):
            raise KdcError(
                f"--teacher-weights gives {plural(len(weights), 'weight')} to "
                f"{plural(len(names), 'teacher')}: give each one"
            )
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights):  # nor NaN
            raise KdcError(f"--teacher-weights must be numbers from 0 up, not {_list(weights)}")
        if sum(weights) <= 0:
            raise KdcError("--teacher-weights sum to 0: no teacher would be heard")

    @property
    def first_seed(self) -> int:
        """Seed of what comes before the student."""
        return self.seed if self.setup_seed is None else self.setup_seed

    @property
    def shares(self) -> list[float]:
        """Each teacher's share of the mean; they sum to 1."""
        weights = self.teacher_weights or (1.0,) * len(self.teachers)
        return [weight / sum(weights) for weight in weights]

    def identity(
        self, digests: list[str], shape: dict[str, Any], max_length: int, precision: str
    ) -> dict[str, Any]:
        """Return what decides a run's numbers beside its recipe: the `[run]` of `recipe.toml`.

        Args:
            digests: sha256 of each teacher.
            shape: the student's sizes.
            max_length: tokens a text is cut to.
            precision: `fp32` or `bf16`.
        """
        several = len(self.teachers) > 1
        shares = " ".join(f"{d} {s!r}" for d, s in zip(digests, self.shares, strict=True))
        values: dict[str, Any] = {
            "teacher": " + ".join(self.teachers),
            "teacher_sha256": digest_of(shares.encode()).hexdigest(),
            "teachers": list(self.teachers),
            "teachers_sha256": digests,
            "teacher_weights": list(self.teacher_weights) or None,
        }
        if not several:
            values = {"teacher": self.teachers[0], "teacher_sha256": digests[0]}
        values |= {
            "data": self.data_name,
            "data_sha256": self.data.digest(),
            **self.options,
            "student": self.student,
            "shape": shape,
            "seed": self.seed,
            "setup_seed": None if self.first_seed == self.seed else self.first_seed,
            "max_length": max_length,
            "precision": precision,
            "vocab": None if self.vocab == KEEP else self.vocab,
            "embedding_rank": self.embedding_rank,
            "unlabelled": self.unlabelled_name,
            "unlabelled_sha256": self.unlabelled and self.unlabelled.digest(),
            "controls": None if self.controls else False,
        }
        return {key: value for key, value in values.items() if value is not None}


def read_weights(text: str | None) -> tuple[float, ...]:
    """Read `--teacher-weights`: numbers with commas between them; none for None.

    Raises:
        KdcError: something in it is no number.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise KdcError(
            f"--teacher-weights must be numbers with commas between them, not {text!r}"
        ) from error


def _list(weights: tuple[float, ...]) -> str:
    return ",".join(f"{weight:g}" for weight in weights)
