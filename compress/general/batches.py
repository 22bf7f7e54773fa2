"""From sequences of a shard to padded rows, their masked places and what a teacher said there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kdc.compress.corpus.shards import Shard
from kdc.compress.encode import Batch, Masked, send
from kdc.compress.general.masking import Masks
from kdc.compress.labels.shard import ShardLabels
from kdc.compress.losses.hard_labels import NO_CLASS
from kdc.compress.parallel import Crew
from kdc.compress.signals import Sparse
from kdc.compress.slices import share

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """A shard mapped into memory, with what was labelled of it."""

    shard: Shard
    labels: ShardLabels | None
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
        made: list[Batch] = []
        for number in range(crew.rank, among, crew.size):
            mine = every[number::among]
            if len(mine) or not made:  # without a row, the first, which then counts nothing
                mine = mine if len(mine) else every[:1]
                made.append(
                    self._batch(rows, masks, mine, self._shares(rows, masks, number, among))
                )
        return made

    def _shares(self, rows: Index, masks: Masks, number: int, among: int) -> dict[str, float]:
        """Return what a slice counts in the batch, by the unit of an objective."""
        by_rows = share(np.ones(len(rows)), number, among)
        return {
            "rows": by_rows,
            "tokens": share(self.shard.lengths[rows], number, among),
            "masked": share(masks.counts, number, among),
            "labelled": 0.0,
            "batch": by_rows,
        }

    def _batch(
        self, rows: Index, masks: Masks, mine: Index, shares: dict[str, float] | None
    ) -> Batch:
        """Collate the rows `mine` of a batch."""
        index, shard = rows[mine], self.shard
        lengths, seconds = shard.lengths[index], shard.seconds[index][:, None]
        place = np.arange(int(lengths.max()))[None, :]
        mask = place < lengths[:, None]
        where = np.where(mask, shard.starts[index][:, None] + place, 0)
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
            padded=not bool(mask.all()),
        )

    def _said(self, masks: Masks, which: Index) -> Sparse | None:
        """Read what the teacher said at some of a batch's masked places."""
        if self.labels is None or masks.labels is None:
            return None
        said = self.labels.targets(masks.labels[which])
        return said.to(self.device)

    def _send(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return send(array, self.device)


def ragged(starts: Index, counts: Index) -> Index:
    """Return the positions of several stretches, one after the other.

    Args:
        starts: (N,) where each begins.
        counts: (N,) how long it is.
    """
    ends = np.cumsum(counts)
    found: Index = np.arange(int(counts.sum())) + np.repeat(starts - (ends - counts), counts)
    return found
