"""Embeddings: what goes into the first layer."""

from typing import ClassVar

from torch import Tensor, nn

from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import bridge, hidden_of, token_mean
from kdc.compress.signals import HIDDEN, Signals


class Embeddings(Objective):
    """Mean squared error of the embeddings, over real tokens and width.

    With E the (B, T, H) sums of word, place and type, normed, as they enter the first layer:
    mean_(real tokens, H) (E_student W - E_teacher)^2. W (h, H) is learned along, and left out where
    the widths agree.
    """

    needs: ClassVar[frozenset[str]] = frozenset({HIDDEN})
    unit: ClassVar[Unit] = "tokens"
    about: ClassVar[str] = "squared error of the embeddings, projected where widths differ"
    source: ClassVar[str] = "Jiao et al. 2020 (TinyBERT), arXiv 1909.10351, eq. 9"

    def __init__(self) -> None:
        super().__init__()
        self.projection: nn.Module = nn.Identity()

    @property
    def reads(self) -> frozenset[int]:
        """Of which teacher layers it reads the states; 0: the embeddings."""
        return frozenset({0})

    def fit(self, widths: Widths) -> None:
        """Build the projection."""
        self.projection = bridge(widths)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        theirs = hidden_of("embeddings", teacher.hidden)[0].float()
        gap = self.projection(student.hidden[0].float()) - theirs
        return token_mean(gap.square().mean(-1), student.mask)
