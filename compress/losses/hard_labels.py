"""Hard labels: the table's own answers."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.signals import Signals


class HardLabels(Objective):
    """Cross-entropy of (B, C) logits against (B,) classes; squared error for regression."""

    needs: ClassVar[frozenset[str]] = frozenset()
    unit: ClassVar[Unit] = "labelled"
    about: ClassVar[str] = "cross-entropy (squared error for regression) with the table's labels"
    source: ClassVar[str] = "the usual fine-tuning loss, Devlin et al. 2019, arXiv 1810.04805"

    def __init__(self) -> None:
        super().__init__()
        self._regression = False

    def fit(self, widths: Widths) -> None:
        """Note the kind of task.

        Raises:
            KdcError: a single class, whose softmax is always 1: nothing would be trained.
        """
        self._regression = widths.task.kind == "regression"
        if not self._regression and widths.task.outputs < 2:
            raise KdcError("hard_labels: a task with one class has nothing to learn")

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self._regression:
            return F.mse_loss(student.logits[:, 0], labels)
        return F.cross_entropy(student.logits, labels)
