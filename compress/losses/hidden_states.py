"""Hidden states: the student's layers learn what chosen teacher layers hold."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import layer_map
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import bridge, hidden_of, no_loss, token_mean
from kdc.compress.signals import HIDDEN, Signals


class HiddenStates(Objective):
    """Mean squared error of hidden states, averaged over tokens, width and mapped layers.

    With S_i the student's (B, T, h) states after layer i and T_m(i) the teacher's (B, T, H):
    mean_i mean_(real tokens, H) (S_i W - T_m(i))^2. W (h, H) is one projection for all layers,
    learned along, and left out where the widths agree. Padding does not count.
    """

    needs: ClassVar[frozenset[str]] = frozenset({HIDDEN})
    unit: ClassVar[Unit] = "tokens"
    about: ClassVar[str] = "squared error of mapped layers' states, projected where widths differ"
    source: ClassVar[str] = "Jiao et al. 2020 (TinyBERT), arXiv 1909.10351, eq. 8"

    def __init__(self, layers: str | Sequence[int] = "uniform") -> None:
        super().__init__()
        self.layers = layers if isinstance(layers, str) else tuple(layers)
        self.projection: nn.Module = nn.Identity()
        self._map: list[int] = []

    @property
    def reads(self) -> frozenset[int]:
        """Of which teacher layers it reads the states; 0: the embeddings."""
        return frozenset(layer + 1 for layer in self._map)

    def fit(self, widths: Widths) -> None:
        """Choose the teacher's layers and build the projection.

        Raises:
            KdcError: the layer map does not fit the two models.
        """
        self._map = layer_map(self.layers, widths.student_layers, widths.teacher_layers)
        self.projection = bridge(widths)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if not self._map:
            raise KdcError("hidden_states: fit the loss to the two models first")
        states, total = hidden_of("hidden_states", teacher.hidden), no_loss(student.mask)
        for ours, theirs in enumerate(self._map, start=1):
            # bf16 states meet fp32 weights here: the loss is computed outside of autocast
            gap = self.projection(student.hidden[ours].float()) - states[theirs + 1].float()
            total = total + token_mean(gap.square().mean(-1), student.mask)
        return total / len(self._map)
