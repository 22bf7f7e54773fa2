"""What every objective is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from kdc.compress.signals import HEADS, HIDDEN, LOGITS, SCORES, Signals
from kdc.compress.task import Task

Unit = Literal["rows", "tokens", "labelled", "masked", "batch"]
"""What an objective's mean is taken over: the rows, the real tokens, the rows with a label or the
masked places of a batch. The mean over a batch is then that of its slices, weighted by how many of
these each holds. `batch`: no mean of that kind, so that a batch is never cut."""


@dataclass(frozen=True)
class Widths:
    """The two models as an objective sees them: what it may have to bridge, what it can ask.

    `objectives.widths_between` reads it from two configurations.
    """

    task: Task
    student_layers: int
    student_hidden: int
    teacher_layers: int
    teacher_hidden: int
    student_heads: int = 1
    """Attention heads in a layer."""
    teacher_heads: int = 1
    student_tokens: int = 0
    """Rows of the vocabulary."""
    teacher_tokens: int = 0
    gives: frozenset[str] = frozenset({LOGITS, HIDDEN, HEADS, SCORES})
    """The signals that both models have."""
    family: str = "bert"
    """Of the model that gives less."""


class Objective(nn.Module, ABC):
    """Scores what the student says against the teacher or the labels.

    Options come from a subclass's own `__init__` and so from the recipe.
    """

    needs: ClassVar[frozenset[str]]
    """What it asks the teacher for: `signals.LOGITS`, `signals.HIDDEN`, ..."""
    unit: ClassVar[Unit]
    about: ClassVar[str]
    source: ClassVar[str]

    @property
    def asks(self) -> frozenset[str]:
        """What it asks the teacher for; the student is always asked for all that it needs."""
        return self.needs

    @property
    def reads(self) -> frozenset[int]:
        """Of which teacher layers it reads the states, once fitted; 0: the embeddings."""
        return frozenset()

    def served_by(self, layers: frozenset[int], *, pooled: bool) -> bool:
        """Whether states that were written down are all that it reads of a teacher's states.

        Args:
            layers: whose states there are; 0: the embeddings.
            pooled: whether there are each row's means of the last states.
        """
        return HIDDEN not in self.asks or (bool(self.reads) and self.reads <= layers)

    def fit(self, widths: Widths) -> None:
        """Build what depends on the two models, or refuse with a KdcError before training."""

    @abstractmethod
    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar.

        Args:
            student: what the student says, with gradients.
            teacher: what the teacher says.
            labels: (B,) int64 classes, -100 where a row has none; (B, C) float32, 1 where a label
                holds and NaN in a row without labels; or (B,) float32 scores, NaN likewise.
        """
