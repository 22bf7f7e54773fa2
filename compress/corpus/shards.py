"""One shard of tokens: sequences with their special tokens, and which of their words are masked.

A shard is one safetensors file. Its arrays are views of the file, mapped into memory, so that an
opened shard of any size costs nothing until it is read.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from kdc.compress.arrays import Array, Index
from kdc.compress.errors import KdcError
from kdc.compress.files import whole_file
from kdc.compress.mapped import map_arrays

_NARROW = 65_536  # tokens that uint16 can tell apart
LONGEST = 65_535
"""Tokens of the longest sequence whose places fit uint16."""


@dataclass(frozen=True)
class Shard:
    """S sequences of T tokens in all, masked D times each, M tokens in all.

    Example `e` is masking `e // S` of sequence `e % S`; the token to predict at one of its places
    is `tokens[starts[e % S] + place]`.
    """

    tokens: Array
    """(T,) uint16 or uint32 ids, unmasked, special tokens included."""
    starts: Array
    """(S + 1,) int64: where each sequence starts in `tokens`, and where the last one ends."""
    seconds: Array
    """(S,) uint16: the place in the sequence where its second segment begins; 0: it has one."""
    pairs: Array
    """(S,) int8: 1 the segments belong together in this order, 0 they do not, -1 not a pair."""
    mask_starts: Array
    """(D * S + 1,) int64: where each example starts in the next two."""
    mask_places: Array
    """(M,) uint16: masked places inside their sequence, ascending in each example."""
    mask_inputs: Array
    """(M,) ids as `tokens`: what stands at that place in the input."""

    @property
    def sequences(self) -> int:
        """How many sequences there are, S."""
        return len(self.starts) - 1

    @property
    def duplicates(self) -> int:
        """How often each is masked, D; 0: not at all, to be masked while training."""
        return (len(self.mask_starts) - 1) // self.sequences

    @property
    def examples(self) -> int:
        """D * S."""
        return len(self.mask_starts) - 1

    @property
    def lengths(self) -> Index:
        """(S,) int64 tokens of each sequence."""
        return np.diff(self.starts)

    @property
    def mask_rows(self) -> Index:
        """(M,) int64: which sequence each masked place is in."""
        rows: Index = np.arange(len(self.mask_starts) - 1) % self.sequences
        return np.repeat(rows, np.diff(self.mask_starts))

    @property
    def targets(self) -> Index:
        """(M,) int64: the token to predict at each masked place."""
        found: Index = self.tokens[self.starts[self.mask_rows] + self.mask_places].astype(np.int64)
        return found


_NAMES = tuple(field.name for field in fields(Shard))


def token_type(vocab_size: int) -> type[np.uint16] | type[np.uint32]:
    """Return the narrowest type that holds every id of a vocabulary."""
    return np.uint16 if vocab_size <= _NARROW else np.uint32


def write_shard(path: Path, shard: Shard) -> None:
    """Write a shard so that it is either whole or not there; the same arrays give the same bytes.

    Raises:
        KdcError: the disk is full or the folder cannot be written.
    """
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(getattr(shard, name)) for name in _NAMES}
    with whole_file(path) as temporary:
        save_file(arrays, temporary)


def read_shard(path: Path, vocab_size: int) -> Shard:
    """Map a shard into memory and check that every number in it is one that can be used.

    Args:
        path: the file.
        vocab_size: ids must be below it.

    Raises:
        KdcError: it is missing, no shard, cut off, or holds numbers that contradict each other.
    """
    arrays = map_arrays(path)
    if set(arrays) != set(_NAMES) or any(array.ndim != 1 for array in arrays.values()):
        raise KdcError(f"{path} is no shard of tokens: make it again")
    # a plain view: what is taken of a memmap is one again, at a price, each time
    shard = Shard(**{name: np.asarray(array) for name, array in arrays.items()})
    if problem := _problem(shard, vocab_size):
        raise KdcError(f"{path} is damaged: {problem}; make it again")
    return shard


def _problem(shard: Shard, vocab_size: int) -> str:
    """Say what is wrong with a shard's numbers, or nothing."""
    kind = token_type(vocab_size)
    wanted = (kind, np.int64, np.uint16, np.int8, np.int64, np.uint16, kind)
    for name, dtype in zip(_NAMES, wanted, strict=True):
        if (found := getattr(shard, name).dtype) != dtype:
            return f"{name} is {found}, not {np.dtype(dtype)} ({vocab_size:,} tokens)"
    if not _ascend(shard.starts, len(shard.tokens)) or shard.sequences < 1:
        return "starts do not ascend from 0 to the number of tokens"
    count = shard.sequences
    if len(shard.seconds) != count or len(shard.pairs) != count:
        return f"seconds and pairs are not one for each of {count:,} sequences"
    if (len(shard.mask_starts) - 1) % count or len(shard.mask_places) != len(shard.mask_inputs):
        return "the maskings are not of all sequences"
    if not _ascend(shard.mask_starts, len(shard.mask_places), strictly=False):
        return "mask_starts do not ascend from 0 to the number of masked places"
    return _outside(shard, vocab_size)


def _ascend(starts: Array, end: int, *, strictly: bool = True) -> bool:
    """Whether borders begin at 0, end at `end` and each is above the one before, or equal to it."""
    if not len(starts) or starts[0] != 0 or starts[-1] != end:
        return False
    one, next_one = starts[:-1], starts[1:]  # a difference could run over the largest number
    return bool((next_one > one if strictly else next_one >= one).all())


def _outside(shard: Shard, vocab_size: int) -> str:
    """Say which numbers point outside of what they are about, or nothing."""
    lengths = shard.lengths
    if max(shard.tokens.max(), shard.mask_inputs.max(initial=0)) >= vocab_size:
        return f"it holds tokens outside of the {vocab_size:,} of the vocabulary"
    if lengths.max() > LONGEST or (shard.seconds >= lengths).any():
        return "a second segment begins behind its sequence"
    if not np.isin(shard.pairs, (-1, 0, 1)).all():
        return "pairs holds something else than 1, 0 and -1"
    if (shard.mask_places >= lengths[shard.mask_rows]).any():
        return "a masked place lies behind its sequence"
    inner = np.ones(len(shard.mask_places), dtype=bool)
    inner[shard.mask_starts[:-1][np.diff(shard.mask_starts) > 0]] = False
    steps = np.diff(shard.mask_places.astype(np.int64), prepend=-1)
    return "masked places do not ascend" if (steps[inner] <= 0).any() else ""
