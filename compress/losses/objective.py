"""What every objective is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from kdc.compress.signals import Signals
from kdc.compress.task import Task


@dataclass(frozen=True)
class Widths:
    """The sizes on both sides that an objective may have to bridge."""

    task: Task
    student_layers: int
    student_hidden: int
    teacher_layers: int
    teacher_hidden: int


class Objective(nn.Module, ABC):
    """Scores what the student says against the teacher or the labels.

    Options come from a subclass's own `__init__` and so from the recipe.
    """

    needs: ClassVar[frozenset[str]]
    """What it asks the teacher for: `signals.LOGITS`, `signals.HIDDEN`."""
    about: ClassVar[str]
    source: ClassVar[str]

    def fit(self, widths: Widths) -> None:
        """Build what depends on the two models, or refuse with a KdcError before training."""

    @abstractmethod
    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar; `labels` is (B,) int64 or float32."""
