"""Which places of some sequences are masked: as their corpus has it, or drawn while training."""

from dataclasses import dataclass

import numpy as np

from kdc.compress.arrays import Index
from kdc.compress.corpus.shards import Shard
from kdc.compress.ragged import ragged


@dataclass(frozen=True)
class Masks:
    """The masked places of some sequences, one sequence after the other."""

    counts: Index
    """(B,) how many a sequence has."""
    places: Index
    """(M,) places inside their sequences, ascending in each."""
    inputs: Index
    """(M,) what stands there in the input."""
    shard_places: Index | None = None
    """(M,) which of the shard's masked places they are; None where they were drawn just now."""
    examples: Index | None = None
    """(B,) which of the shard's examples they are; None where they were drawn just now."""


def shard_masks(shard: Shard, examples: Index) -> Masks:
    """Return the maskings that a shard has of some of its examples, (B,)."""
    starts = shard.mask_starts[examples]
    counts = shard.mask_starts[examples + 1] - starts
    which = ragged(starts, counts)
    places, inputs = (
        part[which].astype(np.int64) for part in (shard.mask_places, shard.mask_inputs)
    )
    return Masks(counts, places, inputs, which, examples)
