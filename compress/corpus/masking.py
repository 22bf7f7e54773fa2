"""Which words of sequences are masked, and what stands there in the input.

15 % of the tokens, of which 80 % become the mask, 10 % another token and 10 % stay (Devlin et al.
2019, arXiv 1810.04805); whole words are masked together, as in the authors' later code.
"""

from dataclasses import dataclass

import numpy as np

from kdc.compress.arrays import Array, Index
from kdc.compress.corpus.settings import MASKED, Settings
from kdc.compress.corpus.shards import token_type
from kdc.compress.corpus.vocabulary import Vocabulary

_REPLACED = (0.8, 0.9)  # below: the mask; below: another token; above: the token itself


@dataclass(frozen=True)
class Chosen:
    """What is masked in S sequences, M tokens in all; the arrays are those of a `Shard`."""

    starts: Index
    """(S + 1,) where each sequence starts in the next two."""
    places: Array
    """(M,) uint16 places inside their sequence, ascending in each."""
    inputs: Array
    """(M,) what stands there in the input."""


class Masker:
    """Masks sequences of one vocabulary by some settings."""

    def __init__(self, vocabulary: Vocabulary, settings: Settings) -> None:
        """Prepare the tables.

        Raises:
            KdcError: whole words are wanted and the tokenizer does not show where they begin.
        """
        self._special = vocabulary.special
        self._begins = vocabulary.word_starts(settings.masking)
        self._others = np.flatnonzero(~vocabulary.special)
        self._mask = vocabulary.mask_id
        self._cap = settings.max_predictions
        self._type = token_type(vocabulary.size)

    def mask(self, tokens: Array, starts: Index, rng: np.random.Generator) -> Chosen:
        """Choose what is masked.

        Args:
            tokens: (T,) ids of all sequences, special tokens included.
            starts: (S + 1,) where each starts, and the end of the last.
            rng: decides; the same one chooses the same.
        """
        lengths = np.diff(starts)
        free = ~self._special[tokens]
        unit, sizes, owners = _units(free, self._begins[tokens], lengths)
        wanted = self._wanted(np.bincount(owners, weights=sizes, minlength=len(lengths)))
        taken = _taken(sizes, owners, wanted, self._cap, rng)
        at = np.flatnonzero(free)[taken[unit]]
        rows = np.repeat(np.arange(len(lengths)), lengths)[at]
        counts = np.bincount(rows, minlength=len(lengths))
        return Chosen(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            (at - starts[rows]).astype(np.uint16),
            self._inputs(tokens[at], rng),
        )

    def _wanted(self, candidates: Array) -> Index:
        """Return (S,) how many tokens of each sequence are to be masked."""
        wanted = np.minimum(np.maximum(np.rint(MASKED * candidates), 1), candidates)
        return (wanted if self._cap is None else np.minimum(wanted, self._cap)).astype(np.int64)

    def _inputs(self, tokens: Array, rng: np.random.Generator) -> Array:
        drawn = rng.random(len(tokens))
        others = self._others[rng.integers(0, len(self._others), len(tokens))]
        inputs = np.where(drawn < _REPLACED[1], others, tokens)
        return np.where(drawn < _REPLACED[0], self._mask, inputs).astype(self._type)


def _units(free: Array, begins: Array, lengths: Index) -> tuple[Index, Index, Index]:
    """Cut the tokens that may be masked into words.

    Returns:
        Of each such token the number of its word, and (U,) tokens and sequence of each word.
    """
    begins = begins.copy()
    begins[1:] |= ~free[:-1]  # what a sequence was cut at
    begins[:1] = True
    owners = np.repeat(np.arange(len(lengths)), lengths)[free]
    unit = np.cumsum(begins[free]) - 1
    sizes = np.bincount(unit).astype(np.int64)
    first = np.flatnonzero(begins[free])
    return unit, sizes, owners[first]


def _taken(
    sizes: Index, owners: Index, wanted: Index, cap: int | None, rng: np.random.Generator
) -> Array:
    """Return (U,) bool: words in random order until a sequence has what is wanted of it.

    The last word is taken if more than half of it fits, so that long words are not left out. One
    that would not fit even as the first is passed over for the next, as in the authors' code.
    """
    order = np.argsort((owners << 32) | rng.integers(0, 1 << 32, len(owners)), kind="stable")
    coin = rng.integers(0, 2, len(order))  # decides where exactly half of a word fits
    most = 2 * wanted[owners[order]] + coin - sizes[order]  # above twice what is taken before it
    if cap is not None:
        most = np.minimum(most, 2 * (cap - sizes[order]) + 1)
    order, most = order[most > 0], most[most > 0]
    shuffled, rows = sizes[order], owners[order]
    before = np.cumsum(shuffled) - shuffled
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    before = before - np.repeat(before[first], np.diff(first, append=len(rows)))
    taken = np.zeros(len(sizes), dtype=bool)
    taken[order[2 * before < most]] = True
    return taken
