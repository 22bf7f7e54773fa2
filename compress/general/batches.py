"""From sequences of a shard to padded rows, their masked places and what a teacher said there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kdc.compress.arrays import Index
from kdc.compress.corpus.shards import Shard
from kdc.compress.data.unlabelled import NO_CLASS
from kdc.compress.encode import Batch, Masked, States, send, side_by_side
from kdc.compress.general.masking import Masks
from kdc.compress.labels.shard import ShardLabels
from kdc.compress.parallel import Crew
from kdc.compress.ragged import ragged
from kdc.compress.signals import Sparse
from kdc.compress.slices import cut, share


@dataclass(frozen=True)
class Reads:
    """What batches take from a teacher's labels."""

    words: bool = False
    """What it said at the masked places."""
    layers: tuple[int, ...] = ()
    """The layers whose states; 0: the embeddings."""
    pooled: bool = False
    """Each row's mean of the last states."""

    @property
    def states(self) -> bool:
        """Whether they take any states."""
        return bool(self.layers) or self.pooled

    def __or__(self, other: "Reads") -> "Reads":
        """Return what either takes."""
        layers = tuple(sorted({*self.layers, *other.layers}))
        return Reads(self.words or other.words, layers, self.pooled or other.pooled)


NOTHING = Reads()


@dataclass(frozen=True)
class Window:
    """A shard mapped into memory, with what was labelled of it."""

    shard: Shard
    labels: ShardLabels | None
    reads: Reads
    padding: int
    """The padding token's id."""
    device: torch.device

    def slices(self, rows: Index, masks: Masks, crew: Crew, parts: int) -> list[Batch]:
        """Collate a process's rows of a batch: every n-th, so that all have about as many tokens.

        Args:
            rows: the batch's sequences.
            masks: theirs.
            crew: the processes.
            parts: how many slices each process learns from, one after the other.
        """
        among = crew.size * parts
        every = np.arange(len(rows))
        if among == 1:
            return [self._batch(rows, masks, every, None)]
        return [
            self._batch(rows, masks, mine, self._shares(rows, masks, number, among))
            for number, mine in cut(every, crew, parts)
        ]

    def _shares(self, rows: Index, masks: Masks, number: int, among: int) -> dict[str, float]:
        """Return what a slice counts in the batch, by the unit of an objective."""
        return {
            "rows": share(np.ones(len(rows)), number, among),
            "tokens": share(self.shard.lengths[rows], number, among),
            "masked": share(masks.counts, number, among),
            "labelled": 0.0,
        }

    def _batch(
        self, rows: Index, masks: Masks, mine: Index, shares: dict[str, float] | None
    ) -> Batch:
        """Collate the rows `mine` of a batch."""
        index, shard = rows[mine], self.shard
        where, mask = side_by_side(shard.starts[index], shard.lengths[index])
        place, seconds = np.arange(mask.shape[1])[None, :], shard.seconds[index][:, None]
        ids = np.where(mask, shard.tokens[where].astype(np.int64), self.padding)
        types = mask & (seconds > 0) & (place >= seconds)
        counts = masks.counts[mine]
        which = ragged((np.cumsum(masks.counts) - masks.counts)[mine], counts)
        flat = np.repeat(np.arange(len(mine)) * ids.shape[1], counts) + masks.places[which]
        targets = ids.reshape(-1)[flat]
        ids.reshape(-1)[flat] = masks.inputs[which]
        return Batch(
            input_ids=self._send(ids),
            mask=self._send(mask),
            types=self._send(types),
            labels=self._send(np.full(len(mine), NO_CLASS)),
            index=self._send(index),
            masked=Masked(self._send(flat), self._send(targets), self._said(masks, which)),
            shares=shares,
            states=self._states(masks, mine, mask),
            padded=not bool(mask.all()),
        )

    def _said(self, masks: Masks, which: Index) -> Sparse | None:
        """Read what the teacher said at some of a batch's masked places."""
        if self.labels is None or masks.shard_places is None or not self.reads.words:
            return None
        said = self.labels.targets(masks.shard_places[which])
        return said.to(self.device)

    def _states(self, masks: Masks, mine: Index, mask: npt.NDArray[np.bool_]) -> States | None:
        """Read the teacher's states of the rows `mine` of a batch."""
        if self.labels is None or masks.examples is None or not self.reads.states:
            return None
        examples, starts = masks.examples[mine], self.shard.starts
        masking, sequence = np.divmod(examples, self.shard.sequences)
        first = masking * int(starts[-1]) + starts[sequence]
        where = np.where(mask, first[:, None] + np.arange(mask.shape[1]), first[:, None])
        return States(
            {layer: self._send(self.labels.states(layer)[where]) for layer in self.reads.layers},
            self._send(self.labels.pooled()[examples]) if self.reads.pooled else None,
        )

    def _send(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return send(array, self.device)
