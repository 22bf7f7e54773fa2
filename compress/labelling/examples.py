"""The examples of a token shard in batches for a teacher: in windows, sorted by length inside."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from kdc.compress.arrays import Index
from kdc.compress.corpus.shards import Shard
from kdc.compress.encode import Batch
from kdc.compress.general.batches import NOTHING, Window
from kdc.compress.general.masking import shard_masks
from kdc.compress.parallel import ALONE

_POOL = 8  # batches sorted by length together: a window's answers are held until it is whole


@dataclass(frozen=True)
class Asked:
    """Some examples of a shard, as a model takes them."""

    batch: Batch
    examples: Index
    """(B,) which they are."""
    places: Index
    """(m,) which of the shard's masked places the batch's are."""


def windows(shard: Shard, batch_tokens: int) -> Iterator[Index]:
    """Yield all examples of a shard in their order, cut into windows of several batches."""
    lengths = np.tile(shard.lengths, shard.duplicates)
    window = (np.cumsum(lengths) - lengths) // (_POOL * batch_tokens)
    yield from np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(window)) + 1)


def batches(
    shard: Shard, examples: Index, batch_tokens: int, padding: int, device: torch.device
) -> Iterator[Asked]:
    """Collate examples of a shard into batches of nearly one length.

    Args:
        shard: theirs.
        examples: which.
        batch_tokens: tokens of a batch at the most, padding included; a longer row is one alone.
        padding: the padding token's id.
        device: where the batches go.
    """
    rows = examples % shard.sequences
    order = np.argsort(shard.lengths[rows], kind="stable")
    for part in _cut(shard.lengths[rows[order]], batch_tokens):
        chosen = examples[order[part]]
        masks = shard_masks(shard, chosen)
        window = Window(shard, None, NOTHING, padding, device)
        (batch,) = window.slices(chosen % shard.sequences, masks, ALONE, 1)
        assert masks.shard_places is not None
        yield Asked(batch, chosen, masks.shard_places)


def _cut(lengths: Index, batch_tokens: int) -> list[slice]:
    """Cut ascending lengths into stretches whose padded rows hold no more than the budget."""
    parts, start = [], 0
    for end in range(1, len(lengths) + 1):
        if end == len(lengths) or (end + 1 - start) * lengths[end] > batch_tokens:
            parts.append(slice(start, end))
            start = end
    return parts
