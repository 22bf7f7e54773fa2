"""Cosine: the student's last states point where the teacher's do."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import bridge, hidden_of, token_mean
from kdc.compress.signals import HIDDEN, Signals


class Cosine(Objective):
    """1 - cosine of the last hidden states, mean over real tokens.

    With S (B, T, h) and T (B, T, H) after the last layers: mean_(real tokens) 1 - cos(S W, T).
    DistilBERT's widths agree and it has no W; for a narrower student W (h, H) is learned along.
    """

    needs: ClassVar[frozenset[str]] = frozenset({HIDDEN})
    unit: ClassVar[Unit] = "tokens"
    about: ClassVar[str] = "cosine of the last hidden states, projected where widths differ"
    source: ClassVar[str] = "Sanh et al. 2019 (DistilBERT), arXiv 1910.01108"

    def __init__(self) -> None:
        super().__init__()
        self.projection: nn.Module = nn.Identity()
        self._last = -1

    @property
    def reads(self) -> frozenset[int]:
        """Of which teacher layers it reads the states; 0: the embeddings."""
        return frozenset({self._last})

    def fit(self, widths: Widths) -> None:
        """Build the projection."""
        self._last = widths.teacher_layers
        self.projection = bridge(widths)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        theirs = hidden_of("cosine", teacher.hidden)[-1].float()
        ours = self.projection(student.hidden[-1].float())
        return token_mean(1 - F.cosine_similarity(ours, theirs, dim=-1), student.mask)
