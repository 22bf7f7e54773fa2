"""Decoupled soft labels: how sure of the right class, and how the others compare, apart."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import (
    check_shares,
    check_temperature,
    refuse_all_but_classes,
    refuse_one_class,
)
from kdc.compress.signals import LOGITS, Signals


class Decoupled(Objective):
    """T^2 (alpha TCKD + beta NCKD), mean over the batch: "DKD".

    With p = softmax(z / T) of (B, C) logits and y a row's class: TCKD is the KL of teacher and
    student over (p_y, 1 - p_y), NCKD the KL over the other classes among themselves,
    p_c / (1 - p_y). KL of soft labels is TCKD + (1 - p_y of the teacher) NCKD, so that a sure
    teacher hushes NCKD; here it has a weight of its own. The defaults are the paper's for CIFAR-100
    (for ImageNet: T = 1, beta = 0.5). A row without a label takes its teacher's answer as y. With
    two classes there is one other, and NCKD is 0.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOGITS})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "soft labels in two: the right class, and the others among themselves"
    source: ClassVar[str] = "Zhao et al. 2022 (DKD), arXiv 2203.08679"

    def __init__(self, temperature: float = 4.0, alpha: float = 1.0, beta: float = 8.0) -> None:
        super().__init__()
        self.temperature = check_temperature("decoupled", temperature)
        check_shares("decoupled", alpha=alpha, beta=beta)
        self.alpha, self.beta = alpha, beta

    def fit(self, widths: Widths) -> None:
        """Refuse a task that it would teach nothing.

        Raises:
            KdcError: scores, several labels a text, a single class, or two without `alpha`: one
                other class has nothing to be compared with, so that nothing would be trained.
        """
        refuse_all_but_classes("decoupled", widths.task)
        refuse_one_class("decoupled", widths.task)
        if widths.task.outputs == 2 and not self.alpha:
            raise KdcError(
                "decoupled: of two classes only alpha teaches anything: set it above 0, or use "
                "soft_labels"
            )

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        t = self.temperature
        answers = torch.where(labels >= 0, labels, teacher.logits.argmax(-1))
        classes = torch.arange(teacher.logits.shape[-1], device=answers.device)
        right = answers[:, None] == classes
        q, p = student.logits / t, teacher.logits / t
        target = _divergence(_sure(p, right), _sure(q, right))
        others = _divergence(_others(p, right), _others(q, right))
        return t * t * (self.alpha * target + self.beta * others)


def _sure(logits: Tensor, right: Tensor) -> Tensor:
    """Return (B, 2): log p_y and log (1 - p_y), the latter exact where p_y is nearly 1."""
    total = logits.logsumexp(-1)
    yes = logits.masked_fill(~right, 0.0).sum(-1)
    no = logits.masked_fill(right, -torch.inf).logsumexp(-1)
    return torch.stack([yes - total, no - total], dim=-1)


def _others(logits: Tensor, right: Tensor) -> Tensor:
    """Return (B, C): the log distribution over the other classes; nothing is left of y's."""
    return F.log_softmax(logits.masked_fill(right, torch.finfo(logits.dtype).min), dim=-1)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    return F.kl_div(q, p, log_target=True, reduction="batchmean")
