"""Relations: how tokens look at each other, whatever the widths and heads of the two models."""

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from kdc.compress.errors import KdcError, unknown
from kdc.compress.layer_maps import one_layer
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import no_loss
from kdc.compress.losses.relation_kl import relation_kl
from kdc.compress.signals import HEADS, Signals

PAIRS = ("qq", "kk", "vv", "qk")
_PARTS = {"q": "queries", "k": "keys", "v": "values"}


class Relations(Objective):
    """KL(teacher || student) of self-attention relations of one layer, mean over the pairs.

    A layer's (B, T, A, d) queries, keys or values are joined to (B, T, H) and split anew into R
    relation heads of width r = H / R. A relation of X and Y is softmax(X Y^T / sqrt(r)),
    (B, R, T, T), over the real tokens; per pair the loss is
    mean_b mean_(heads, real tokens) KL(teacher || student). MiniLM v2 takes `qq`, `kk` and `vv`
    (the default) with more relation heads than attention heads; v1 `qk` and `vv` with the models'
    own heads. Both add the pairs up where this is their mean. Neither widths nor heads need agree:
    R only has to divide both widths. v2 finds the teacher's last layer best for teachers of 12
    layers, and an upper-middle one (19 to 21 of 24, counted from 1) for large ones.
    """

    needs: ClassVar[frozenset[str]] = frozenset({HEADS})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "KL of one layer's query, key and value relations; any width and heads"
    source: ClassVar[str] = "Wang et al. (MiniLM) 2020, arXiv 2002.10957; 2021, arXiv 2012.15828"

    def __init__(
        self,
        pairs: Sequence[str] = ("qq", "kk", "vv"),
        heads: int = 0,
        student_layer: str | int = "last",
        teacher_layer: str | int = "last",
    ) -> None:
        """Take the options.

        Args:
            pairs: which relations, of `qq`, `kk`, `vv` and `qk`.
            heads: relation heads R; 0 for the teacher's own number of heads, or the next lower
                number that divides both widths.
            student_layer: the student's layer, 0-based, or `last`.
            teacher_layer: the teacher's.
        """
        super().__init__()
        self.pairs = (pairs,) if isinstance(pairs, str) else tuple(pairs)
        for pair in self.pairs:
            if pair not in PAIRS:
                raise unknown("pair of relations", str(pair), PAIRS)
        if not self.pairs or len(set(self.pairs)) < len(self.pairs):
            raise KdcError(f"relations: name each pair once, of {', '.join(PAIRS)}")
        if type(heads) is not int or heads < 0:
            raise KdcError(f"relations: heads must be a whole number from 0 up, not {heads}")
        self.heads = heads
        self.student_layer, self.teacher_layer = student_layer, teacher_layer
        self._heads = heads
        self._layers: tuple[int, int] | None = None

    def fit(self, widths: Widths) -> None:
        """Choose the layers and the number of relation heads.

        Raises:
            KdcError: a layer that a model does not have, or heads that do not divide its width.
        """
        ours = one_layer(self.student_layer, widths.student_layers, "student")
        theirs = one_layer(self.teacher_layer, widths.teacher_layers, "teacher")
        common = math.gcd(widths.student_hidden, widths.teacher_hidden)
        if self.heads and common % self.heads:
            fit = ", ".join(str(n) for n in range(1, min(common, 64) + 1) if common % n == 0)
            raise KdcError(
                f"relations: {self.heads} heads do not divide the widths "
                f"{widths.student_hidden} and {widths.teacher_hidden}: choose one of {fit}"
            )
        most = (n for n in range(widths.teacher_heads, 0, -1) if common % n == 0)
        self._heads = self.heads or next(most)
        self._layers = (ours, theirs)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if self._layers is None or not teacher.queries:
            raise KdcError("relations: fit the loss first, and ask the teacher for its heads")
        total = no_loss(student.mask)
        for pair in self.pairs:
            ours = self._parts(student, pair, self._layers[0])
            theirs = self._parts(teacher, pair, self._layers[1])
            total = total + relation_kl(ours, theirs, student.mask)
        return total / len(self.pairs)

    def _parts(self, said: Signals, pair: str, layer: int) -> tuple[Tensor, Tensor]:
        """Return what a relation is between, each (B, R, T, r)."""
        found = {part: self._split(getattr(said, _PARTS[part])[layer]) for part in set(pair)}
        return found[pair[0]], found[pair[1]]

    def _split(self, heads: Tensor) -> Tensor:
        """Turn (B, T, A, d) into (B, R, T, r)."""
        batch, length = heads.shape[:2]
        return heads.float().reshape(batch, length, self._heads, -1).transpose(1, 2)
