"""Pooled: one vector a text, as sentence encoders give it."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from kdc.compress.errors import unknown
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import bridge, hidden_of, text_means
from kdc.compress.signals import HIDDEN, Signals

POOLS, DISTANCES = ("mean", "cls"), ("mse", "cosine")


class Pooled(Objective):
    """Squared error, or 1 - cosine, of sentence embeddings, mean over the texts.

    With u (B, h) and v (B, H) pooled from the last hidden states, as the mean over a text's real
    tokens or as its first token's state: `mse` is mean_b mean_H (u W - v)^2, `cosine`
    mean_b 1 - cos(u W, v). W (h, H) is learned along, and left out where the widths agree.
    """

    needs: ClassVar[frozenset[str]] = frozenset({HIDDEN})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "squared error or cosine of sentence embeddings, mean or [CLS]"
    source: ClassVar[str] = "Reimers & Gurevych 2020, arXiv 2004.09813"

    def __init__(self, pool: str = "mean", distance: str = "mse") -> None:
        """Take the options: `pool` is `mean` or `cls`, `distance` is `mse` or `cosine`."""
        super().__init__()
        if pool not in POOLS:
            raise unknown("pool", str(pool), POOLS)
        if distance not in DISTANCES:
            raise unknown("distance", str(distance), DISTANCES)
        self.pool, self.distance = pool, distance
        self.projection: nn.Module = nn.Identity()
        self._last = -1

    @property
    def reads(self) -> frozenset[int]:
        """Of which teacher layers it reads the states; 0: the embeddings."""
        return frozenset({self._last})

    def served_by(self, layers: frozenset[int], *, pooled: bool) -> bool:
        """Whether written states are all that it reads: means of rows do for `mean`."""
        return (pooled and self.pool == "mean") or super().served_by(layers, pooled=pooled)

    def fit(self, widths: Widths) -> None:
        """Build the projection."""
        self._last = widths.teacher_layers
        self.projection = bridge(widths)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        ours, theirs = self.projection(self._pooled(student)), self._of_teacher(teacher)
        if self.distance == "mse":
            return F.mse_loss(ours, theirs)
        return (1 - F.cosine_similarity(ours, theirs, dim=-1)).mean()

    def _of_teacher(self, said: Signals) -> Tensor:
        if self.pool == "mean" and said.pooled is not None:
            return said.pooled.float()
        hidden_of("pooled", said.hidden)
        return self._pooled(said)

    def _pooled(self, said: Signals) -> Tensor:
        states = said.hidden[-1].float()
        return text_means(states, said.mask) if self.pool == "mean" else states[:, 0]
