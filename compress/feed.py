"""Where a stage's batches come from: the rows of a table, or the sequences of a corpus.

A batch is a function of the seed and the step alone, so that a run goes on at any step, and is cut
into one slice a process and part: learning from the slices is learning from the whole.
"""

from typing import Protocol

import torch

from kdc.compress.arrays import Index
from kdc.compress.encode import Batch, Batches, epoch_order
from kdc.compress.examples import Examples
from kdc.compress.parallel import Crew
from kdc.compress.slices import make_slices
from kdc.compress.stages import Training


class Feed(Protocol):
    """A stage's batches."""

    def take(self, step: int, crew: Crew) -> list[Batch]:
        """Return this process's slices of the batch of a step, counted from 0."""


class Stream(Protocol):
    """Rows that are not held in memory; other processes get it as it is, and open it themselves."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    @property
    def tokens(self) -> int:
        """Real tokens in an epoch."""

    @property
    def longest(self) -> int:
        """Tokens of the longest row, or more."""

    def open(self, seed: int, padding: int, parts: int, device: torch.device) -> Feed:
        """Return the batches; `parts` is in how many slices each process takes its share."""


class TableFeed:
    """Batches of a table's rows, of nearly one length each."""

    def __init__(
        self, rows: Examples, training: Training, seed: int, padding: int, device: torch.device
    ) -> None:
        self._rows, self._size, self._seed = rows, training.batch, seed
        self._parts = training.accumulate
        self._batches = Batches(rows, padding, device)
        self._epoch, self._order = -1, list[Index]()

    def take(self, step: int, crew: Crew) -> list[Batch]:
        """Return this process's slices of the batch of a step, counted from 0."""
        epoch, place = divmod(step, -(-len(self._rows) // self._size))
        if epoch != self._epoch:
            self._order = epoch_order(self._rows.lengths, self._size, self._seed, epoch)
            self._epoch = epoch
        return make_slices(self._batches, self._order[place], crew, self._parts)


def open_feed(
    rows: Examples | Stream, training: Training, seed: int, padding: int, device: torch.device
) -> Feed:
    """Return a stage's batches."""
    if isinstance(rows, Examples):
        return TableFeed(rows, training, seed, padding, device)
    return rows.open(seed, padding, training.accumulate, device)
