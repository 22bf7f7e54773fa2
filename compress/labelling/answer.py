"""What a teacher says about a window of examples, as a shard of labels has it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Index
from kdc.compress.corpus.shards import Shard
from kdc.compress.errors import KdcError
from kdc.compress.labelling.choose import BROKEN, Rows, chosen
from kdc.compress.labelling.examples import Asked, batches
from kdc.compress.labels.method import Method
from kdc.compress.labels.shard import POOLED, states_name
from kdc.compress.losses.parts import text_means
from kdc.compress.runtime import autocast
from kdc.compress.signals import HIDDEN, MASKED, Signals, observe


@dataclass
class _Kept:
    """Answers in the order of the batches, and which places, examples and tokens they are of."""

    order: dict[str, list[Index]] = field(default_factory=dict)
    rows: dict[str, list[npt.NDArray[Any]]] = field(default_factory=dict)

    def add(self, name: str, order: Index, rows: npt.NDArray[Any]) -> None:
        self.order.setdefault(name, []).append(order)
        self.rows.setdefault(name, []).append(rows)

    def sorted(self) -> Rows:
        """Return every array in the order of the shard."""
        found = {}
        for name, parts in self.rows.items():
            order = np.argsort(np.concatenate(self.order[name]), kind="stable")
            found[name] = np.concatenate(parts)[order]
        return found


class Teller:
    """Asks a teacher about examples and keeps what its method asks for."""

    def __init__(self, model: Model, method: Method, padding: int, batch_tokens: int) -> None:
        self._model, self._method = model.eval(), method
        self._padding, self._batch_tokens = padding, batch_tokens
        states = bool(method.states) or method.pooled
        words = method.kind != "none"
        self._wants = frozenset({HIDDEN} if states else set()) | ({MASKED} if words else set())

    @torch.no_grad()
    def tell(self, shard: Shard, examples: Index, rng: np.random.Generator) -> Rows:
        """Return the rows that a window of examples adds to each array of the labels.

        Args:
            shard: theirs.
            examples: which, ascending and without gaps.
            rng: of the draws; asked once a place, in their order.

        Raises:
            KdcError: the teacher answers NaN or infinity.
        """
        kept, device = _Kept(), self._model.device
        dealt, first = self._deal(shard, examples, rng)
        for asked in batches(shard, examples, self._batch_tokens, self._padding, device):
            with autocast(device):
                said = observe(self._model, asked.batch, wants=self._wants)
            self._keep_states(kept, asked, said)
            if said.masked is not None:
                mine = None if dealt is None else dealt[asked.places - first]
                found = chosen(
                    said.masked, self._method, None if mine is None else torch.from_numpy(mine)
                )
                for name, rows in found.items():
                    kept.add(name, asked.places, rows)
        return _without_filler(kept.sorted())

    def _deal(
        self, shard: Shard, examples: Index, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float64] | None, int]:
        """Return (places, N) uniform numbers, so that no place's draws depend on its batch."""
        if self._method.kind != "draws":
            return None, 0
        first, end = (int(shard.mask_starts[e]) for e in (examples[0], examples[-1] + 1))
        return rng.random((end - first, self._method.count)), first

    def _keep_states(self, kept: _Kept, asked: Asked, said: Signals) -> None:
        lengths = asked.batch.mask.sum(-1).cpu().numpy()
        for layer in self._method.states:
            states = said.hidden[layer][asked.batch.mask.bool()]
            kept.add(states_name(layer), np.repeat(asked.examples, lengths), _half(states))
        if self._method.pooled:
            kept.add(POOLED, asked.examples, _half(text_means(said.hidden[-1], asked.batch.mask)))


def _half(states: Tensor) -> npt.NDArray[np.float16]:
    """Round to float16, whose largest number stands for what is larger.

    Raises:
        KdcError: one is NaN or infinite.
    """
    if not bool(states.isfinite().all()):
        raise KdcError(BROKEN)
    largest = float(torch.finfo(torch.float16).max)
    found: npt.NDArray[np.float16] = states.float().clamp(-largest, largest).half().cpu().numpy()
    return found


def _without_filler(rows: Rows) -> Rows:
    """Flatten (m, k) ids and codes to the entries that their places' sizes count."""
    if "sizes" not in rows:
        return rows
    there = np.arange(rows["ids"].shape[1]) < rows["sizes"].astype(np.int64)[:, None]
    return {**rows, "ids": rows["ids"][there], "codes": rows["codes"][there]}
