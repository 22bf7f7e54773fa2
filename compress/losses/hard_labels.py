"""Hard labels: the table's own answers."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from kdc.compress.data.unlabelled import NO_CLASS
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import refuse_one_class
from kdc.compress.signals import Signals


class HardLabels(Objective):
    """Cross-entropy of (B, C) logits against (B,) classes; squared error for regression.

    Where a text may have several labels it is -log of the probability of its (B, C) labels, each
    with a sigmoid of its own: the sum of the labels' binary cross-entropies, of which transformers
    takes the mean. The mean here is over the rows that are labelled; 0, with a gradient of 0,
    where none is.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    unit: ClassVar[Unit] = "labelled"
    about: ClassVar[str] = "cross-entropy (squared error for regression) with the table's labels"
    source: ClassVar[str] = "the usual fine-tuning loss, Devlin et al. 2019, arXiv 1810.04805"

    def __init__(self) -> None:
        super().__init__()
        self._kind = "classification"

    def fit(self, widths: Widths) -> None:
        """Note the kind of task.

        Raises:
            KdcError: a single class, whose softmax is always 1: nothing would be trained.
        """
        refuse_one_class("hard_labels", widths.task)
        self._kind = widths.task.kind

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self._kind == "multi-label":
            labelled = ~labels.isnan().any(-1)
            gaps = F.binary_cross_entropy_with_logits(
                student.logits, labels.nan_to_num(), reduction="none"
            )
            total = gaps.sum(-1).masked_fill(~labelled, 0.0).sum()
        elif self._kind == "regression":
            labelled = ~labels.isnan()
            gaps = student.logits[:, 0] - labels.nan_to_num()
            total = gaps.square().masked_fill(~labelled, 0.0).sum()
        else:
            labelled = labels != NO_CLASS
            total = F.cross_entropy(student.logits, labels, ignore_index=NO_CLASS, reduction="sum")
        return total / labelled.sum().clamp(min=1)
