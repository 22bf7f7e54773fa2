"""Sequences of two segments: does the second follow the first, or are they in order?

`next` is BERT's (Devlin et al. 2019, arXiv 1810.04805): half of the second segments are from
another document. `order` is ALBERT's (Lan et al. 2020, arXiv 1909.11942): half of the pairs are
exchanged.
"""

from bisect import bisect_right
from collections.abc import Iterator
from random import Random

from kdc.compress.corpus.sequences import Documents, Span, wanted_length
from kdc.compress.corpus.settings import Settings

Segment = tuple[int, int]


class _Text:
    """Documents as lists: where their sentences start and end."""

    def __init__(self, documents: Documents) -> None:
        self.ends: list[int] = documents.ends.tolist()
        self.starts: list[int] = [0, *self.ends[:-1]]
        self.first: list[int] = [
            bisect_right(self.ends, border) for border in documents.borders.tolist()
        ]
        """The number of each document's first sentence, and the number of all."""

    @property
    def documents(self) -> int:
        return len(self.first) - 1

    def elsewhere(self, document: int, length: int, rng: Random) -> Segment:
        """Return sentences of another document, from a random one on, of about some tokens."""
        other = rng.randrange(self.documents - 1)
        other += other >= document
        end = self.first[other + 1]
        begin = rng.randrange(self.first[other], end)
        last = begin
        while last + 1 < end and self.ends[last] - self.starts[begin] < length:
            last += 1
        return self.starts[begin], self.ends[last]


def pair_spans(
    documents: Documents, budget: int, settings: Settings, rng: Random
) -> Iterator[Span]:
    """Cut every document into pairs of at most `budget` tokens.

    A document of one sentence that nothing can be paired with stays a single segment.
    """
    text = _Text(documents)
    for document in range(text.documents):
        sentence, end = text.first[document], text.first[document + 1]
        while sentence < end:
            length = wanted_length(budget, settings.short, rng)
            stop = _chunk(text, sentence, end, length)
            if settings.pairs == "next":
                span, sentence = _next(text, document, (sentence, stop), length, rng)
            else:
                span, sentence = _ordered(text, (sentence, stop), rng), stop
            yield _cut(span, budget, rng)


def _chunk(text: _Text, sentence: int, end: int, length: int) -> int:
    """Return the sentence behind as many from `sentence` on as `length` tokens take."""
    stop = bisect_right(text.ends, text.starts[sentence] + length - 1, sentence, end) + 1
    return min(stop, end)


def _next(text: _Text, document: int, chunk: Segment, length: int, rng: Random) -> tuple[Span, int]:
    """Return a pair and the sentence to go on with: what a foreign segment displaced is kept."""
    begin, stop = chunk
    alone = stop - begin == 1
    split = stop if alone else rng.randint(begin + 1, stop - 1)
    first = text.starts[begin], text.ends[split - 1]
    if text.documents > 1 and (alone or rng.random() < 0.5):
        rest = max(length - (first[1] - first[0]), 1)
        return (*first, *text.elsewhere(document, rest, rng), 0), split
    if alone:
        return (*first, 0, 0, -1), stop
    return (*first, text.starts[split], text.ends[stop - 1], 1), stop


def _ordered(text: _Text, chunk: Segment, rng: Random) -> Span:
    """Return two neighbouring segments, in half of the cases exchanged."""
    begin, stop = chunk
    if stop - begin == 1:
        return text.starts[begin], text.ends[begin], 0, 0, -1
    split = rng.randint(begin + 1, stop - 1)
    one = text.starts[begin], text.ends[split - 1]
    two = text.starts[split], text.ends[stop - 1]
    return (*two, *one, 0) if rng.random() < 0.5 else (*one, *two, 1)


def _cut(span: Span, budget: int, rng: Random) -> Span:
    """Shorten the longer segment, at its front and its back by chance, until both fit."""
    a, b, c, d, label = span
    first, second = b - a, d - c
    excess = first + second - budget
    if excess <= 0:
        return span
    longer = min(excess, abs(first - second))
    rest = excess - longer
    from_first = rest // 2 + rest % 2 + (longer if first >= second else 0)
    from_second = rest // 2 + (0 if first >= second else longer)
    a, b = _ends_cut(a, b, from_first, rng)
    c, d = _ends_cut(c, d, from_second, rng)
    return a, b, c, d, label


def _ends_cut(start: int, end: int, tokens: int, rng: Random) -> Segment:
    front = rng.getrandbits(tokens).bit_count() if tokens else 0
    return start + front, end - (tokens - front)
