"""The rows on which a student answers otherwise than its teacher."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.calibration import softmax
from kdc.compress.data.dataset import Split
from kdc.compress.metrics import alike
from kdc.compress.task import Task

SHOWN = 50
_LENGTH = 300  # characters of a text
Answer = str | float | tuple[str, ...]
"""A class, a score, or the labels that hold."""


@dataclass(frozen=True)
class Flip:
    """One such row."""

    row: int
    """Its place in the split, from 0."""
    text: str
    """Cut to 300 characters."""
    pair: str | None
    """The second text, cut likewise; None for single texts."""
    label: Answer
    """The truth."""
    teacher: Answer
    student: Answer


@dataclass(frozen=True)
class Flips:
    """All of them in numbers, and the clearest."""

    split: str
    """Where they were looked for."""
    n: int
    """Rows that were compared."""
    count: int
    """Rows answered differently; for regression all of them, by however little."""
    teacher_right: int
    """Rows that the teacher alone answers right (in all labels); for regression, is nearer to."""
    student_right: int
    """Rows that the student alone answers right (in all labels); for regression, is nearer to."""
    shown: tuple[Flip, ...]
    """Up to 50, those first where the student is surest of what the teacher denies; for
    regression, where their scores are the furthest apart."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "shown": [asdict(flip) for flip in self.shown]}


def find_flips(name: str, rows: Split, teacher: Array, student: Array, task: Task) -> Flips:
    """Compare two models' answers to the rows of a split.

    Args:
        name: the split's.
        rows: the rows.
        teacher: (N, C) logits.
        student: (N, C) logits.
        task: what they mean.
    """
    if task.kind == "regression":
        said = np.stack([teacher[:, 0], student[:, 0]]).astype(np.float64)
        off = np.abs(said - rows.labels)
        better, strength = off[0] < off[1], np.abs(said[0] - said[1])
        worse = off[1] < off[0]
    elif task.kind == "multi-label":
        said = np.stack([teacher > 0, student > 0])
        right = np.stack([alike(answers, rows.labels > 0) for answers in said])
        better, worse = right[0] & ~right[1], right[1] & ~right[0]
        sure = np.abs(np.tanh(student.astype(np.float64) / 2))  # |2 p - 1|
        strength = np.where(said[0] != said[1], sure, 0).max(axis=1)
    else:
        said = np.stack([teacher.argmax(axis=1), student.argmax(axis=1)])
        right = said == rows.labels
        better, worse = right[0] & ~right[1], right[1] & ~right[0]
        ours, at = softmax(student), np.arange(len(rows))
        strength = ours[at, said[1]] - ours[at, said[0]]
    differ = np.flatnonzero(~alike(said[0], said[1]))
    order = differ[np.argsort(-strength[differ], kind="stable")][:SHOWN]
    shown = tuple(_flip(rows, int(row), (said[0][row], said[1][row]), task) for row in order)
    return Flips(name, len(rows), len(differ), int(better.sum()), int(worse.sum()), shown)


def _flip(rows: Split, row: int, said: Sequence[Any], task: Task) -> Flip:
    values = (rows.labels[row], *said)
    label, teacher, student = (
        task.names(value) if task.labels else round(float(value), 4) for value in values
    )
    pair = None if rows.pairs is None else _cut(rows.pairs[row])
    return Flip(row, _cut(rows.texts[row]), pair, label, teacher, student)


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"
