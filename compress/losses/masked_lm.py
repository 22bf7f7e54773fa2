"""Masked words: the student fills the gaps as the text does, and as the teacher does."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from kdc.compress.errors import KdcError, unknown
from kdc.compress.losses.at_once import at_once
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import check_shares, check_temperature
from kdc.compress.runtime import places_at_once
from kdc.compress.signals import MASKED, Signals, Sparse

_LEAST_TAIL = 1e-6  # added to the student's: below it 1 - sum is rounding alone
TAILS = ("bucket", "ignore")


class MaskedLm(Objective):
    """soft T^2 KL(teacher || student) + hard cross-entropy with the text, mean over masked places.

    Of (M, V) logits at the masked places, with p = softmax(z / T) for the KL. The defaults are
    DistilBERT's: 5 x KL at T = 2 and 2 x cross-entropy; its third term is the objective `cosine`.
    With `soft = 0` it is BERT's own pre-training (Devlin et al. 2019, arXiv 1810.04805).

    Of labels, which have only some tokens i of a place (`signals.Sparse`), `bucket` takes all
    others as one more token on both sides: KL = sum_i p_i log(p_i / q_i) + p' log(p' / q'), with
    p' = 1 - sum p_i and q' = 1 - sum q_i. `ignore` is -sum_i p_i log q_i alone, whose optimum has
    all of the student's mass on those tokens. For tokens drawn from p both are unbiased, and
    differ by a constant: p' is 0 (Anshumann et al. 2025, arXiv 2503.16870).
    """

    needs: ClassVar[frozenset[str]] = frozenset({MASKED})
    unit: ClassVar[Unit] = "masked"
    about: ClassVar[str] = "KL and cross-entropy over the vocabulary at masked places"
    source: ClassVar[str] = "Sanh et al. 2019 (DistilBERT), arXiv 1910.01108"

    def __init__(
        self,
        temperature: float = 2.0,
        soft: float = 5.0,
        hard: float = 2.0,
        tail: str = "bucket",
    ) -> None:
        """Take the options; `tail` is `bucket` or `ignore` and concerns labels alone."""
        super().__init__()
        self.temperature = check_temperature("masked_lm", temperature)
        check_shares("masked_lm", soft=soft, hard=hard)
        if tail not in TAILS:
            raise unknown("tail", str(tail), TAILS)
        self.soft, self.hard, self.tail = soft, hard, tail

    @property
    def asks(self) -> frozenset[str]:
        """What it asks the teacher for: nothing where only the text teaches."""
        return self.needs if self.soft else frozenset()

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
        given = (student.masked, student.targets, *self._said(teacher))
        total = at_once(self._sum, places_at_once(student.masked.device), *given)
        return total / max(1, len(student.masked))

    def _said(self, teacher: Signals) -> tuple[Tensor, ...]:
        """Return what the teacher said: its logits, or ids, shares and tail, or nothing."""
        if not self.soft:
            return ()
        if teacher.masked is not None:
            return (teacher.masked,)
        if teacher.sparse is None:
            raise KdcError("masked_lm: the teacher gave no masked words; ask it for them")
        self._check(teacher.sparse)
        return (teacher.sparse.ids, teacher.sparse.shares, teacher.sparse.tail)

    def _check(self, said: Sparse) -> None:
        if said.temperature != self.temperature:
            raise KdcError(
                f"masked_lm: the labels were taken at temperature {said.temperature:g} and cannot "
                f"be had at {self.temperature:g}: set temperature = {said.temperature:g}, or label "
                f"with --temperature {self.temperature:g}"
            )

    def _sum(self, student: Tensor, targets: Tensor, *said: Tensor) -> Tensor:
        t, ours = self.temperature, student.float()
        total = ours.new_zeros(())
        if self.hard:  # a softmax over the vocabulary is most of a small student's step
            total = self.hard * F.cross_entropy(ours, targets, reduction="sum")
        if not self.soft:
            return total
        q = F.log_softmax(ours if t == 1 else ours / t, dim=-1)
        if len(said) == 1:
            p = F.log_softmax(said[0].float() / t, dim=-1)
            return total + self.soft * t * t * F.kl_div(q, p, log_target=True, reduction="sum")
        return total + self.soft * t * t * sparse_loss(q, *said, bucket=self.tail == "bucket")


def sparse_loss(q: Tensor, ids: Tensor, shares: Tensor, tail: Tensor, *, bucket: bool) -> Tensor:
    """Return the loss over some tokens of a place, summed over the places.

    Args:
        q: (M, V) the student's log probabilities.
        ids: (M, k) tokens.
        shares: (M, k) the teacher's probabilities of them; 0: filler.
        tail: (M,) of all others.
        bucket: whether these others are one more token of a KL; else they are left out of
            - sum p log q.
    """
    ours = q.gather(-1, ids)
    if not bucket:
        return -(shares * ours).sum()
    known = torch.xlogy(shares, shares).sum() + torch.xlogy(tail, tail).sum()
    listed = ours.exp().masked_fill(shares == 0, 0.0).sum(-1)
    rest = (1 - listed).clamp(min=0.0) + _LEAST_TAIL
    return known - (shares * ours).sum() - (tail * rest.log()).sum()
