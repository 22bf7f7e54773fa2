from random import Random

import numpy as np
import pytest

from kdc.compress.corpus.pairs import pair_spans
from kdc.compress.corpus.sequences import (
    Documents,
    assemble,
    separated,
    single_spans,
    trimmed,
)
from kdc.compress.corpus.settings import Settings
from tests.compress.corpus.texts import CLS, SEP, tiny_vocabulary

VOCABULARY = tiny_vocabulary()


def documents(count: int = 80, seed: int = 0) -> Documents:
    """Return documents whose tokens count upwards, so that each tells where it is from."""
    rng = np.random.default_rng(seed)
    sizes = [rng.integers(1, 30, int(rng.integers(1, 9))).tolist() for _ in range(count)]
    ends = np.cumsum([size for row in sizes for size in row])
    borders = np.concatenate([[0], np.cumsum([sum(row) for row in sizes])])
    return Documents(np.arange(100, 100 + ends[-1]), ends, borders)


DOCUMENTS = documents()


def of(place: int) -> int:
    """Return the document that a place is in."""
    return int(np.searchsorted(DOCUMENTS.borders, place, side="right")) - 1


@pytest.mark.parametrize("short", [0.0, 0.5])
def test_nothing_is_lost_and_borders_are_those_of_sentences(short: float) -> None:
    """Bug: what does not fill a sequence is dropped, which here is most of a short document."""
    spans = list(single_spans(DOCUMENTS, 40, short, Random(0)))
    assert [place for start, end, *_ in spans for place in range(start, end)] == list(
        range(len(DOCUMENTS.tokens))
    )
    ends = set(DOCUMENTS.ends.tolist())
    assert all(end - start <= 40 and of(start) == of(end - 1) for start, end, *_ in spans)
    if not short:
        assert all(end in ends for _, end, *_ in spans)


def test_a_sentence_longer_than_a_sequence_is_cut_without_loss() -> None:
    """Bug: the first sentence has no end before it, and the last one's is taken."""
    one = Documents(np.arange(100), np.array([95, 100]), np.array([0, 100]))
    spans = [(a, b) for a, b, *_ in single_spans(one, 40, 0.0, Random(0))]
    assert spans == [(0, 40), (40, 80), (80, 100)]


def test_packed_sequences_are_full_and_separated_at_borders() -> None:
    joined = separated(DOCUMENTS, SEP)
    spans = list(trimmed(single_spans(joined, 200, 0.0, Random(0)), joined.tokens == SEP))
    bodies = [joined.tokens[a:b] for a, b, *_ in spans]
    assert all(body[0] != SEP != body[-1] and len(body) <= 200 for body in bodies)
    text = np.concatenate(bodies)
    assert np.array_equal(text[text != SEP], DOCUMENTS.tokens)
    for body in bodies:
        for at in np.flatnonzero(body == SEP):
            assert body[at - 1] - 99 in DOCUMENTS.borders
    assert np.mean([len(body) for body in bodies[:-1]]) > 180


def test_special_tokens_stand_where_the_tokenizer_puts_them() -> None:
    """Bug: a student sees pairs in another form than any classifier made of it later."""
    tokens = np.arange(10, 40)
    spans = [(0, 5, 5, 9, 1), (9, 20, 0, 0, -1), (20, 21, 3, 4, 0)]
    made = assemble(tokens, spans, VOCABULARY)
    rows = [made.tokens[a:b].tolist() for a, b in zip(made.starts, made.starts[1:], strict=False)]
    assert rows[0] == [CLS, *range(10, 15), SEP, *range(15, 19), SEP]
    assert rows[1] == [CLS, *range(19, 30), SEP]
    assert rows[2] == [CLS, 30, SEP, 13, SEP]
    assert made.seconds.tolist() == [7, 0, 3] and made.pairs.tolist() == [1, -1, 0]
    encoded = VOCABULARY.plain.encode("wake me", "up at")
    ours = assemble(np.array(encoded.ids), [(1, 3, 4, 6, 1)], VOCABULARY)
    assert ours.tokens.tolist() == encoded.ids
    assert encoded.type_ids.index(1) == ours.seconds[0]


@pytest.mark.parametrize("short", [0.0, 0.3])
def test_half_of_the_next_segments_are_from_another_document(short: float) -> None:
    settings = Settings(pairs="next", short=short)
    spans = list(pair_spans(DOCUMENTS, 60, settings, Random(1)))
    several = [span for span in spans if span[4] >= 0]
    assert all(b - a + d - c <= 60 and b > a and d > c for a, b, c, d, _ in several)
    for a, _, c, _, label in several:
        assert (of(a) == of(c) and c > a) if label else of(a) != of(c)
    # a chunk of one sentence has no next one; the others are random in half of the cases
    whole = [s for s in several if of(s[0]) == of(s[2])]
    assert 0.3 < len(whole) / len(several) < 0.55
    seen = np.zeros(len(DOCUMENTS.tokens), dtype=bool)
    for a, b, c, d, _ in several:
        seen[a:b] = seen[c:d] = True
    assert seen.mean() > 0.93  # what makes a pair too long is cut off, as BERT does it


def test_next_is_a_fair_coin_where_both_are_possible() -> None:
    """Bug: what is put back after a foreign segment makes the labels lopsided."""
    long = Documents(np.arange(60_000), np.arange(10, 60_001, 10), np.arange(0, 60_001, 600))
    spans = list(pair_spans(long, 100, Settings(pairs="next"), Random(2)))
    count, ones = len(spans), sum(span[4] for span in spans)
    assert abs(ones - count / 2) < 5 * (count / 4) ** 0.5
    assert all(b == c for _, b, c, _, label in spans if label)


def test_order_is_exchanged_in_half_of_the_cases() -> None:
    spans = list(pair_spans(DOCUMENTS, 60, Settings(pairs="order"), Random(3)))
    several = [span for span in spans if span[4] >= 0]
    for a, _, c, _, label in several:
        assert of(a) == of(c) and (c > a) == bool(label)
    ones = sum(span[4] for span in several)
    assert abs(ones - len(several) / 2) < 5 * (len(several) / 4) ** 0.5
    assert all(d == 0 for *_, d, label in spans if label == -1)


def test_a_lone_document_has_no_foreign_segments() -> None:
    """Bug: a random document is drawn from none."""
    one = Documents(np.arange(30), np.array([10, 20, 30]), np.array([0, 30]))
    spans = list(pair_spans(one, 25, Settings(pairs="next"), Random(0)))
    assert all(label in (1, -1) for *_, label in spans)
