"""Logits: the student gives the teacher's numbers themselves, before any softmax."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import refuse_one_class
from kdc.compress.signals import LOGITS, Signals


class MseLogits(Objective):
    """Mean squared error of (B, C) logits: mean_b mean_c (z_student - z_teacher)^2.

    Of scores as of classes, one or several a text. Kim et al. 2021 (arXiv 2105.08919) show it to be
    what soft labels come to as the temperature rises, but for the mean of the logits, which it
    teaches too.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOGITS})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "squared error of the logits"
    source: ClassVar[str] = "Ba & Caruana 2014, arXiv 1312.6184; Kim et al. 2021, arXiv 2105.08919"

    def fit(self, widths: Widths) -> None:
        """Raise KdcError for a single class, whose logit decides nothing."""
        refuse_one_class("mse_logits", widths.task)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        return F.mse_loss(student.logits, teacher.logits)
