"""From documents of sentences to sequences: where each segment starts and ends."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np

from kdc.compress.arrays import Array, Index
from kdc.compress.corpus.shards import token_type
from kdc.compress.corpus.vocabulary import Vocabulary
from kdc.compress.ragged import ragged

Span = tuple[int, int, int, int, int]
"""Start and end of the first segment and of the second among all tokens, and the pair's label:
1 they belong together in this order, 0 they do not, -1 there is no second one."""


@dataclass(frozen=True)
class Documents:
    """Tokenised documents, one after the other."""

    tokens: Index
    """(T,) ids without special tokens."""
    ends: Index
    """(K,) ends of the sentences, ascending; each document's last end is its end."""
    borders: Index
    """(N + 1,) where each document starts, and where the last one ends."""


@dataclass(frozen=True)
class Sequences:
    """S sequences with their special tokens; the arrays are those of a `Shard`."""

    tokens: Array
    starts: Index
    seconds: Array
    pairs: Array


def separated(documents: Documents, separator: int) -> Documents:
    """Join documents into one, with a special token at each border."""
    inner = documents.borders[1:-1]
    tokens = np.insert(documents.tokens, inner, separator)
    ends = documents.ends + np.searchsorted(inner, documents.ends, side="left")
    every = np.union1d(ends, inner + np.arange(1, len(inner) + 1))
    return Documents(tokens, every, np.array([0, len(tokens)]))


def single_spans(documents: Documents, budget: int, short: float, rng: Random) -> Iterator[Span]:
    """Fill sequences with whole sentences of one document; nothing is left out.

    A sentence that is longer than a sequence is cut.
    """
    ends: list[int] = documents.ends.tolist()
    borders: list[int] = documents.borders.tolist()
    for start, end in pairwise(borders):
        while start < end:
            limit = start + wanted_length(budget, short, rng)
            stop = end
            if limit < end:
                fitting = bisect_right(ends, limit)
                last = ends[fitting - 1] if fitting else 0
                stop = last if last > start else limit
            yield start, stop, 0, 0, -1
            start = stop


def wanted_length(budget: int, short: float, rng: Random) -> int:
    """Return the tokens to fill a sequence with: the budget, or in a share of cases fewer."""
    return rng.randint(2, budget) if short and rng.random() < short else budget


def assemble(tokens: Index, spans: Sequence[Span], vocabulary: Vocabulary) -> Sequences:
    """Put special tokens around segments.

    Args:
        tokens: (T,) ids that the spans are of.
        spans: one for each sequence.
        vocabulary: knows the special tokens.
    """
    head, middle, tail = vocabulary.around
    table = np.array(spans, dtype=np.int64).reshape(-1, 5)
    first, second = table[:, 1] - table[:, 0], table[:, 3] - table[:, 2]
    paired = second > 0
    lengths = len(head) + first + paired * (len(middle) + second) + len(tail)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    out = np.empty(int(starts[-1]), dtype=token_type(vocabulary.size))
    seconds = np.where(paired, len(head) + first + len(middle), 0)
    _copy(out, starts[:-1] + len(head), tokens, table[:, 0], first)
    _copy(out, starts[:-1] + seconds, tokens, table[:, 2], second)
    for place, token in enumerate(head):
        out[starts[:-1] + place] = token
    for place, token in enumerate(middle):
        out[(starts[:-1] + seconds - len(middle) + place)[paired]] = token
    for place, token in enumerate(tail):
        out[starts[1:] - len(tail) + place] = token
    return Sequences(out, starts, seconds.astype(np.uint16), table[:, 4].astype(np.int8))


def _copy(out: Array, to: Index, tokens: Index, begin: Index, lengths: Index) -> None:
    """Copy `lengths` tokens from each of `begin` to each of `to`."""
    out[ragged(to, lengths)] = tokens[ragged(begin, lengths)]


def trimmed(spans: Iterator[Span], separators: Array) -> Iterator[Span]:
    """Leave out separators at either end of a sequence: a special token stands there anyway."""
    at: list[bool] = separators.tolist()
    for start, end, *rest in spans:
        begin = start + at[start]
        stop = end - (end - 1 > begin and at[end - 1])
        if begin < stop:
            yield begin, stop, rest[0], rest[1], rest[2]
