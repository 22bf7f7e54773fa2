"""DIST: the student ranks as the teacher does, over the classes and over the texts."""

from typing import ClassVar

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

_STILL = 1e-12  # of the squared length: what varies by less does so by rounding alone


class Dist(Objective):
    """T^2 (inter (1 - mean_b r_b) + intra (1 - mean_c r_c)) with Pearson correlations r.

    Of the (B, C) softmax(z / T) of teacher and student, r_b correlates the two rows of text b (how
    the classes compare) and r_c the two columns of class c (how the texts of the batch compare). A
    student may thus be sharper or flatter than its teacher. Two classes always correlate by 1 or
    -1, so that only `intra` teaches there, and where the classes part it does not: r ignores a
    shift. A batch of one row has no `intra`. A batch is seen whole: in parts (`accumulate`, several
    processes) it would be another loss, and of single rows none.
    """

    needs: ClassVar[frozenset[str]] = frozenset({LOGITS})
    unit: ClassVar[Unit] = "batch"
    about: ClassVar[str] = "Pearson correlation of the answers, over classes and over texts"
    source: ClassVar[str] = "Huang et al. 2022 (DIST), arXiv 2205.10536"

    def __init__(self, temperature: float = 1.0, inter: float = 1.0, intra: float = 1.0) -> None:
        super().__init__()
        self.temperature = check_temperature("dist", temperature)
        check_shares("dist", inter=inter, intra=intra)
        self.inter, self.intra = inter, intra

    def fit(self, widths: Widths) -> None:
        """Refuse a task that it would teach nothing.

        Raises:
            KdcError: scores, several labels a text, a single class, or two without `intra`: their
                rows always correlate by 1 or -1, so that nothing would be trained.
        """
        refuse_all_but_classes("dist", widths.task)
        refuse_one_class("dist", widths.task)
        if widths.task.outputs == 2 and not self.intra:
            raise KdcError(
                "dist: of two classes only intra teaches anything: set it above 0, or use "
                "soft_labels"
            )

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        t = self.temperature
        q, p = (F.softmax(said.logits / t, dim=-1) for said in (student, teacher))
        apart = self.inter * (1 - _correlation(q, p, 1).mean())
        if len(q) > 1:
            apart = apart + self.intra * (1 - _correlation(q, p, 0).mean())
        return t * t * apart


def _correlation(x: Tensor, y: Tensor, dim: int) -> Tensor:
    """Return Pearson's r along a dimension; 0, and without a gradient, where x does not vary.

    There r has no value, and a gradient through what rounding has left of x would be 1 / 1e-8.
    """
    size = x.detach().square().sum(dim, keepdim=True)
    x, y = (values - values.mean(dim, keepdim=True) for values in (x, y))
    still = x.detach().square().sum(dim, keepdim=True) <= _STILL * size
    r = F.cosine_similarity(x.masked_fill(still, 1.0), y, dim=dim)
    return r.masked_fill(still.squeeze(dim), 0.0)
