"""Texts with their labels, split into train, dev and (where there is one) test."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Labels
from kdc.compress.task import Task


@dataclass(frozen=True)
class Split:
    """Some of a table's rows."""

    texts: list[str]
    """The text, or the first text of each pair."""
    pairs: list[str] | None
    """The second texts, or None for a task over single texts."""
    labels: Labels
    """(N,) class numbers as int64; (N, C) float32 of several labels, 1 where one holds; or (N,)
    scores as float32."""

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, rows: npt.NDArray[np.int64]) -> "Split":
        """Return the rows at the (M,) places `rows`, in this order."""
        texts = [self.texts[row] for row in rows]
        pairs = None if self.pairs is None else [self.pairs[row] for row in rows]
        return Split(texts, pairs, self.labels[rows])

    def digest(self) -> str:
        """Return a sha256 over every text and label, in order."""
        digest = hashlib.sha256()
        for texts in (self.texts, self.pairs or []):
            for text in texts:
                data = text.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "little") + data)
        digest.update(self.labels.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """A task and its rows."""

    task: Task
    train: Split
    dev: Split
    test: Split | None
    """Labelled test rows; None where there are none. Never used to choose anything."""
    notes: tuple[str, ...] = ()
    """What the user should know, such as texts that stand in two splits."""
    learned: bool | None = None
    """Whether the model that they are to judge was trained on these; None: nobody knows."""

    def digest(self) -> str:
        """Return a sha256 over the task and all splits."""
        splits = (self.train, self.dev, self.test)
        parts = [repr(self.task), *(split.digest() if split else "" for split in splits)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
