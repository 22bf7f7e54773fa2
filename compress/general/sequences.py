"""The sequences of a corpus as the loop trains on them: shard by shard, in batches of a budget.

A batch holds a fixed number of real tokens, in rows of nearly one length: sequences are shuffled
inside their shard, sorted by length inside windows of many batches, and cut into batches there.
So next to nothing is padded whatever computes the attention, and a batch of rows of one length,
which most are where sequences are packed, is computed without any mask.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from kdc.compress.arrays import Index
from kdc.compress.corpus.folder import Corpus
from kdc.compress.corpus.masking import Masker
from kdc.compress.corpus.shards import Shard
from kdc.compress.encode import Batch
from kdc.compress.errors import KdcError
from kdc.compress.general.batches import NOTHING, Reads, Window
from kdc.compress.general.masking import Masks, shard_masks
from kdc.compress.labels.store import LabelFolder
from kdc.compress.parallel import Crew
from kdc.compress.ragged import ragged

_POOL = 64  # batches sorted by length together


@dataclass(frozen=True)
class Sequences:
    """The shards of a corpus that a stage is trained on, or a model is judged by."""

    corpus: Corpus
    names: tuple[str, ...]
    """Of the shards."""
    sizes: tuple[int, ...]
    """Tokens of each."""
    batch_tokens: int
    """Tokens of a batch, over all processes together."""
    labels: LabelFolder | None = None
    """What the teacher said at the masked places; None where it is asked, or nobody is."""
    reads: Reads = NOTHING
    """What a batch takes from them."""

    @cached_property
    def tokens(self) -> int:
        """Real tokens in an epoch."""
        return sum(self.sizes)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence, or more."""
        return self.corpus.max_length

    @cached_property
    def steps(self) -> int:
        """Batches in an epoch: no batch is of two shards."""
        return sum(self.steps_of(size) for size in self.sizes)

    def steps_of(self, size: int) -> int:
        """Return how many batches a shard of so many tokens gives."""
        return math.ceil(size / self.batch_tokens)

    def open(self, seed: int, padding: int, parts: int, device: torch.device) -> "SequenceFeed":
        """Return the batches of all epochs."""
        return SequenceFeed(self, seed, padding, parts, device)


def sequences(
    corpus: Corpus,
    names: list[str],
    batch_tokens: int,
    labels: LabelFolder | None = None,
    reads: Reads = NOTHING,
) -> Sequences:
    """Read how long some shards of a corpus are.

    Args:
        corpus: theirs.
        names: which.
        batch_tokens: tokens of a batch, over all processes together.
        labels: what the teacher said about them.
        reads: what a batch takes from the labels.

    Raises:
        KdcError: a shard is damaged, the budget is too small for the longest sequences, or labels
            are of masks that the corpus does not have.
    """
    if batch_tokens < 2 * corpus.max_length:  # else a batch could be empty
        raise KdcError(
            f"batch_tokens is {batch_tokens}, and the sequences in {corpus.folder} have up to "
            f"{corpus.max_length} tokens: give a step at least {2 * corpus.max_length}"
        )
    if labels is not None and not corpus.duplicates:
        raise KdcError(
            f"{corpus.folder} is masked anew while training, so labels of its examples fit "
            "nothing: make it with --dupe 1 or more, or leave --labels out"
        )
    # one after the other: a mapped shard is an open file, and a system allows only some hundred
    sizes = tuple(_size(corpus, name) for name in names)
    return Sequences(corpus, tuple(names), sizes, batch_tokens, labels, reads)


def _size(corpus: Corpus, name: str) -> int:
    """Return the tokens of a shard.

    Raises:
        KdcError: it is damaged, or has a longer sequence than its corpus says.
    """
    shard = corpus.open(name)
    if (longest := int(shard.lengths.max())) > corpus.max_length:
        raise KdcError(
            f"{corpus.folder / name} has a sequence of {longest} tokens, and its corpus none "
            f"above {corpus.max_length}: make the corpus again"
        )
    return len(shard.tokens)


@dataclass
class _Opened:
    """A shard in one epoch: its batches in the order of that epoch."""

    key: tuple[int, int] = (-1, -1)
    """Epoch and shard."""
    window: Window | None = None
    groups: list[Index] = field(default_factory=list)


class SequenceFeed:
    """Batches of sequences: a function of the seed and the step alone."""

    def __init__(
        self, rows: Sequences, seed: int, padding: int, parts: int, device: torch.device
    ) -> None:
        self._rows, self._seed, self._parts = rows, seed, parts
        self._padding, self._device = padding, device
        self._counts = np.array([rows.steps_of(size) for size in rows.sizes])
        self._opened = _Opened()

    @cached_property
    def _masker(self) -> Masker:
        return self._rows.corpus.masker()

    def take(self, step: int, crew: Crew) -> list[Batch]:
        """Return this process's slices of the batch of a step, counted from 0."""
        epoch, place = divmod(step, self._rows.steps)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._counts))
        ends = np.cumsum(self._counts[order])
        turn = int(np.searchsorted(ends, place, side="right"))
        shard, number = int(order[turn]), int(place - ends[turn] + self._counts[order[turn]])
        opened = self._open(epoch, shard)
        assert opened.window is not None
        rows = opened.groups[number]
        masks = self._masks(opened.window.shard, rows, (epoch, shard, number))
        return opened.window.slices(rows, masks, crew, self._parts)

    def _open(self, epoch: int, shard: int) -> _Opened:
        """Map a shard into memory, and cut it into the batches of an epoch."""
        if self._opened.key != (epoch, shard):
            name = self._rows.names[shard]
            labels = self._rows.labels
            window = Window(
                self._rows.corpus.open(name),
                labels.open(name) if labels else None,
                self._rows.reads,
                self._padding,
                self._device,
            )
            rng = np.random.default_rng([self._seed, epoch, shard])
            groups = cut(window.shard.lengths, int(self._counts[shard]), rng)
            self._opened = _Opened((epoch, shard), window, groups)
        return self._opened

    def _masks(self, shard: Shard, rows: Index, place: tuple[int, int, int]) -> Masks:
        """Return a batch's masks: the corpus's own, in turn, or new ones if it has none."""
        if not shard.duplicates:
            rng = np.random.default_rng([self._seed, *place, 1])
            lengths = shard.lengths[rows]
            tokens = shard.tokens[ragged(shard.starts[rows], lengths)]
            chosen = self._masker.mask(tokens, np.append(0, np.cumsum(lengths)), rng)
            places, inputs = chosen.places.astype(np.int64), chosen.inputs.astype(np.int64)
            return Masks(np.diff(chosen.starts), places, inputs)
        examples = place[0] % shard.duplicates * shard.sequences + rows
        return shard_masks(shard, examples)


def cut(lengths: Index, count: int, rng: np.random.Generator) -> list[Index]:
    """Shuffle sequences and cut them into batches of as many tokens and nearly one length each.

    Args:
        lengths: (S,) tokens of each sequence.
        count: how many batches; the same number for every draw.
        rng: decides.
    """
    order = rng.permutation(len(lengths))
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    pools = math.ceil(count / _POOL)
    pool = np.minimum(middles * pools / lengths.sum(), pools - 1).astype(np.int64)
    order = order[np.lexsort((lengths[order], pool))]
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    batch = np.minimum(middles * count / lengths.sum(), count - 1).astype(np.int64)
    groups = np.split(order, np.flatnonzero(np.diff(batch)) + 1)
    return [groups[number] for number in rng.permutation(len(groups))]


def at_most(rows: Sequences, tokens: int) -> Sequences:
    """Return the first shards that hold about so many tokens, the last of them whole."""
    behind = np.cumsum(rows.sizes) - rows.sizes
    count = int((behind < tokens).sum())
    return replace(rows, names=rows.names[:count], sizes=rows.sizes[:count])
