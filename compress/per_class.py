"""How a model does on each class, and what it takes a class for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.metrics import predictions
from kdc.compress.task import Kind


@dataclass(frozen=True)
class ClassScore:
    """One class, or one of several labels."""

    name: str
    n: int
    """Rows of it."""
    recall: float | None
    """Share of its rows that are given it; None where there are none."""
    precision: float | None
    """Share of the rows that are given it that are of it; None where none is given it."""
    taken_for: str | None = None
    """The other class that its rows are given most often; None where none is, or of labels."""
    taken: int = 0
    """How many of its rows that is."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        shares = {"recall": self.recall, "precision": self.precision}
        rounded = {name: None if x is None else round(x, 6) for name, x in shares.items()}
        taken = {"taken_for": self.taken_for, "taken": self.taken}
        return {"class": self.name, "n": self.n, **rounded, **taken}


def per_class(kind: Kind, names: Sequence[str], logits: Array, gold: Array) -> list[ClassScore]:
    """Score each class by itself, those first of which the smallest share is found.

    Args:
        kind: `classification` or `multi-label`; scores have no classes.
        names: (C,) the classes.
        logits: (N, C).
        gold: (N,) class numbers, or (N, C) of several labels, 1 where one holds.

    Returns:
        The classes that occur among the rows or the answers, by recall; those of no rows last.
    """
    if kind == "regression":
        return []
    said = predictions(logits, kind)
    if kind == "multi-label":
        counts = np.stack([said & (gold > 0), said, gold > 0]).sum(axis=1).T
        found = [_score(name, *row) for name, row in zip(names, counts, strict=True)]
    else:
        found = _of_classes(names, said, gold)
    return sorted(
        (row for row in found if row.n or row.precision is not None),
        key=lambda row: (row.recall is None, row.recall, -row.n),
    )


def _of_classes(names: Sequence[str], said: Array, gold: Array) -> list[ClassScore]:
    size = len(names)
    table = np.bincount(gold * size + said, minlength=size * size).reshape(size, size)
    wrong = table - np.diag(np.diag(table))
    return [
        _score(
            name,
            table[number, number],
            table[:, number].sum(),
            table[number].sum(),
            (names[wrong[number].argmax()], int(wrong[number].max())),
        )
        for number, name in enumerate(names)
    ]


def _score(
    name: str, right: int, given: int, n: int, other: tuple[str, int] = ("", 0)
) -> ClassScore:
    return ClassScore(
        name,
        int(n),
        float(right / n) if n else None,
        float(right / given) if given else None,
        other[0] if other[1] else None,
        other[1],
    )
