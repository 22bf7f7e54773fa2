"""Hidden states: the student's layers learn what chosen teacher layers hold."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import layer_map
from kdc.compress.losses.objective import Objective, Unit, Widths
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

    def __init__(self, layers: str | Sequence[int] = "every-other") -> None:
        super().__init__()
        self.layers = layers if isinstance(layers, str) else tuple(layers)
        self.projection: nn.Module = nn.Identity()
        self._map: list[int] = []

    def fit(self, widths: Widths) -> None:
        """Choose the teacher's layers and build the projection.

        Raises:
            KdcError: the layer map does not fit the two models.
        """
        self._map = layer_map(self.layers, widths.student_layers, widths.teacher_layers)
        if widths.student_hidden != widths.teacher_hidden:
            self.projection = nn.Linear(widths.student_hidden, widths.teacher_hidden, bias=False)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if not self._map or not teacher.hidden:
            raise KdcError("hidden_states: the teacher gave no hidden states; fit the loss first")
        weight = student.mask.unsqueeze(-1).float()
        real = weight.sum() * teacher.hidden[0].shape[-1]
        total = torch.zeros((), device=weight.device)
        for ours, theirs in enumerate(self._map, start=1):
            # bf16 states meet fp32 weights here: the loss is computed outside of autocast
            gap = self.projection(student.hidden[ours].float()) - teacher.hidden[theirs + 1].float()
            total = total + (gap.square() * weight).sum() / real
        return total / len(self._map)
