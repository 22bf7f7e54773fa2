"""Attention: the student's heads score tokens as the teacher's do."""

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import layer_map
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import no_loss
from kdc.compress.progress import plural
from kdc.compress.signals import SCORES, Signals


class Attention(Objective):
    """Mean squared error of attention scores before the softmax, head by head.

    With a = Q K^T / sqrt(d), (B, A, T, T), of student layer i and teacher layer m(i):
    mean_i mean_b mean_(heads, pairs of real tokens) (a_student - a_teacher)^2. The paper finds the
    scores to teach faster than the softmax over them. The numbers of heads must agree; their
    widths d need not.
    """

    needs: ClassVar[frozenset[str]] = frozenset({SCORES})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "squared error of mapped layers' attention scores, head by head"
    source: ClassVar[str] = "Jiao et al. 2020 (TinyBERT), arXiv 1909.10351, eq. 7"

    def __init__(self, layers: str | Sequence[int] = "uniform") -> None:
        super().__init__()
        self.layers = layers if isinstance(layers, str) else tuple(layers)
        self._map: list[int] = []

    def fit(self, widths: Widths) -> None:
        """Choose the teacher's layers.

        Raises:
            KdcError: the layer map does not fit the two models, or the heads differ in number.
        """
        ours, theirs = widths.student_heads, widths.teacher_heads
        if ours != theirs:
            fits = widths.student_hidden % theirs == 0
            way = f"set --heads {theirs}" if fits else f"choose a width that {theirs} divides"
            raise KdcError(
                "attention: it compares head by head, but the student has "
                f"{plural(ours, 'head')} a layer and the teacher {theirs}: {way}, or "
                "use relations in its place"
            )
        self._map = layer_map(self.layers, widths.student_layers, widths.teacher_layers)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if not self._map or not teacher.queries:
            raise KdcError("attention: fit the loss first, and ask the teacher for its scores")
        apart = student.mask[:, None, :, None] * student.mask[:, None, None, :] == 0
        pairs = student.mask.sum(1).square() * student.queries[0].shape[2]
        total = no_loss(student.mask)
        for ours, theirs in enumerate(self._map):
            gap = _scores(student, ours) - _scores(teacher, theirs)
            each = gap.masked_fill(apart, 0.0).square().sum((1, 2, 3)) / pairs
            total = total + each.mean()
        return total / len(self._map)


def _scores(said: Signals, layer: int) -> Tensor:
    """Return (B, A, T, T) fp32 scores, padding included."""
    queries, keys = (heads[layer].float().transpose(1, 2) for heads in (said.queries, said.keys))
    return queries / math.sqrt(queries.shape[-1]) @ keys.transpose(-1, -2)
