"""Patient: the [CLS] states of the layers on the way."""

from collections.abc import Sequence
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from kdc.compress.errors import KdcError, unknown
from kdc.compress.layer_maps import layer_map
from kdc.compress.losses.objective import Objective, Unit, Widths
from kdc.compress.losses.parts import bridge, hidden_of, no_loss
from kdc.compress.progress import plural
from kdc.compress.signals import HIDDEN, Signals

_MAPS = {"skip": "uniform", "last": "last"}


class Patient(Objective):
    """Squared distance of normalised [CLS] states, mean over texts and patient layers: "PKD".

    With s_i the (B, h) state of the first token after student layer i and t_m(i) the teacher's:
    mean_i mean_b || s_i W / |s_i W| - t_m(i) / |t_m(i)| ||^2, over every student layer but the
    last, which the labels teach. `skip` maps them evenly (5 of 6 layers to 2, 4, 6, 8, 10 of 12,
    counted from 1), `last` to the layers below the teacher's last (7 to 11). The paper's widths
    agree and it has no W; for a narrower student W (h, H) is learned along. The authors' program
    divides by H too, so that its weights of 10 to 1000 are 0.01 to 1.3 here for H = 768.
    """

    needs: ClassVar[frozenset[str]] = frozenset({HIDDEN})
    unit: ClassVar[Unit] = "rows"
    about: ClassVar[str] = "squared distance of the layers' normalised [CLS] states"
    source: ClassVar[str] = "Sun et al. 2019 (PKD), arXiv 1908.09355"

    def __init__(self, layers: str | Sequence[int] = "skip") -> None:
        """Take the map: `skip`, `last`, or 0-based teacher layers, one fewer than the student's."""
        super().__init__()
        if isinstance(layers, str) and layers not in _MAPS:
            raise unknown("map of patient layers", layers, _MAPS)
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
            KdcError: the student has one layer, which is its last, or the map does not fit.
        """
        ours, theirs = widths.student_layers, widths.teacher_layers
        if ours < 2:
            raise KdcError(
                "patient: a student of one layer has none below its last: use cosine or pooled"
            )
        if isinstance(self.layers, str):
            self._map = layer_map(_MAPS[self.layers], ours, theirs)[:-1]
        elif len(self.layers) != ours - 1:
            raise KdcError(
                f"patient: the layer map {list(self.layers)} must name "
                f"{plural(ours - 1, 'layer')}, one for each of the student's but its last"
            )
        else:
            self._map = layer_map(self.layers, ours - 1, theirs)
        self.projection = bridge(widths)

    def forward(self, student: Signals, teacher: Signals, labels: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        if not self._map:
            raise KdcError("patient: fit the loss to the two models first")
        states, total = hidden_of("patient", teacher.hidden), no_loss(student.mask)
        for ours, theirs in enumerate(self._map, start=1):
            mine = F.normalize(self.projection(student.hidden[ours][:, 0].float()), dim=-1)
            yours = F.normalize(states[theirs + 1][:, 0].float(), dim=-1)
            total = total + (mine - yours).square().sum(-1).mean()
        return total / len(self._map)
