"""Soft labels: the student learns the teacher's whole distribution over the classes."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import check_temperature, refuse_one_class
from kdc.compress.signals import LOGITS, Signals


class SoftLabels(Objective):
    """KL(teacher || student) of softmax(logits / T), times T^2, mean over the batch.

    With z the (B, C) logits: T^2 * mean_b sum_c p_bc (log p_bc - log q_bc), where
    p = softmax(z_teacher / T) and q = softmax(z_student / T). T^2 keeps the gradient's size when
    T changes. Where a text may have several labels, each is a distribution of its own over yes and
    no, p_bc = sigmoid(z_bc / T), and the KL is the sum of theirs (Yang et al. 2023, arXiv
    2308.06453). For regression it is the squared difference of the two scores.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOGITS})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "KL of the softened class distributions, times T squared"
    source: ClassVar[str] = "Hinton et al. 2015, arXiv 1503.02531"

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        self.temperature = check_temperature("soft_labels", temperature)
        self._kind = "classification"

    def fit(self, widths: Widths) -> None:
        """Note the kind of task.

        Raises:
            KdcError: a single class, whose softmax is always 1: nothing would be trained.
        """
        refuse_one_class("soft_labels", widths.task)
        self._kind = widths.task.kind

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self._kind == "regression":
            return F.mse_loss(student.logits, teacher.logits)
        t = self.temperature
        q, p = student.logits / t, teacher.logits / t
        if self._kind == "multi-label":
            return t * t * (_one_side(p, q) + _one_side(-p, -q)).sum(-1).mean()
        q, p = F.log_softmax(q, dim=-1), F.log_softmax(p, dim=-1)
        return t * t * F.kl_div(q, p, log_target=True, reduction="batchmean")


def _one_side(p: Tensor, q: Tensor) -> Tensor:
    """Return (B, C): what yes adds to the KL of yes and no, from logits."""
    return p.sigmoid() * (F.logsigmoid(p) - F.logsigmoid(q))
