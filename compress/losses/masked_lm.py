"""Masked words: the student fills the gaps as the text does, and as the teacher does."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import check_shares, check_temperature
from kdc.compress.signals import MASKED, Signals

_PLACES = 256  # held in fp32 at a time: 31 MB of a vocabulary of 30,522


class MaskedLm(Objective):
    """soft T^2 KL(teacher || student) + hard cross-entropy with the text, mean over masked places.

    Of (M, V) logits at the masked places, with p = softmax(z / T) for the KL. The defaults are
    DistilBERT's: 5 x KL at T = 2 and 2 x cross-entropy; its third term is the objective `cosine`.
    With `soft = 0` it is BERT's own pre-training (Devlin et al. 2019, arXiv 1810.04805).
    """

    needs: ClassVar[frozenset[str]] = frozenset({MASKED})
    unit: ClassVar[Unit] = "masked"
    about: ClassVar[str] = "KL and cross-entropy over the vocabulary at masked places"
    source: ClassVar[str] = "Sanh et al. 2019 (DistilBERT), arXiv 1910.01108"

    def __init__(self, temperature: float = 2.0, soft: float = 5.0, hard: float = 2.0) -> None:
        super().__init__()
        self.temperature = check_temperature("masked_lm", temperature)
        check_shares("masked_lm", soft=soft, hard=hard)
        self.soft, self.hard = soft, hard

    def fit(self, widths: Widths) -> None:
        """Compare the vocabularies.

        Raises:
            KdcError: teacher and student number their words differently.
        """
        ours, theirs = widths.student_tokens, widths.teacher_tokens
        if self.soft and ours != theirs:
            raise KdcError(
                f"masked_lm: the student has {ours:,} tokens and the teacher {theirs:,}: the KL "
                "needs one vocabulary; set soft = 0, or give the student the teacher's tokens"
            )

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if student.masked is None or student.targets is None:
            raise KdcError("masked_lm: the batch has no masked places")
        said = teacher.masked if self.soft else student.masked.detach()
        if said is None:
            raise KdcError("masked_lm: the teacher gave no masked words; ask it for them")
        total = student.masked[:0].float().sum()  # 0, with a gradient where no place is masked
        for start in range(0, len(said), _PLACES):  # computed anew for the gradient, so not kept
            some = slice(start, start + _PLACES)
            parts = (student.masked[some], said[some], student.targets[some])
            total = total + checkpoint(
                self._sum, *parts, use_reentrant=False, preserve_rng_state=False
            )
        return total / max(1, len(student.masked))

    def _sum(self, student: Tensor, teacher: Tensor, targets: Tensor) -> Tensor:
        t, ours = self.temperature, student.float()
        total = self.hard * F.cross_entropy(ours, targets, reduction="sum")
        if not self.soft:
            return total
        q, p = F.log_softmax(ours / t, dim=-1), F.log_softmax(teacher.float() / t, dim=-1)
        return total + self.soft * t * t * F.kl_div(q, p, log_target=True, reduction="sum")
