"""Masking against what it promises, with bounds of five standard deviations."""

from math import sqrt
from typing import Any

import numpy as np
import pytest

from kdc.compress.corpus.masking import Chosen, Masker
from kdc.compress.corpus.settings import Settings
from tests.compress.corpus.texts import CLS, MASK, SEP, SPECIAL_IDS, tiny_vocabulary

VOCABULARY = tiny_vocabulary()
WHOLE, PIECE = 5, 60
LENGTHS = (3, 12, 40, 130)


def sequences(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens and starts of sequences with words of one to three tokens."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        body: list[int] = []
        while len(body) < LENGTHS[number % len(LENGTHS)]:
            pieces = int(rng.integers(0, 3))
            body += [int(rng.integers(5, 20)), *rng.integers(PIECE, PIECE + 8, pieces).tolist()]
        rows.append([CLS, *body, SEP])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return np.concatenate([np.array(row, np.uint16) for row in rows]), starts


TOKENS, STARTS = sequences(1200)


def masked(seed: int = 0, **changes: Any) -> Chosen:  # noqa: ANN401
    settings = Settings(**changes)
    return Masker(VOCABULARY, settings).mask(TOKENS, STARTS, np.random.default_rng(seed))


def rows(chosen: Chosen) -> list[list[int]]:
    return [part.tolist() for part in np.split(chosen.places, chosen.starts[1:-1])]


def within(count: int, of: int, share: float) -> bool:
    return abs(count - of * share) <= 5 * sqrt(of * share * (1 - share))


def test_the_pieces() -> None:
    begins = VOCABULARY.word_starts("word")
    assert begins[WHOLE] and not begins[PIECE : PIECE + 8].any()


@pytest.mark.parametrize("cap", [None, 5])
def test_of_tokens_exactly_15_percent_are_masked_and_at_least_one(cap: int | None) -> None:
    found = rows(masked(masking="token", max_predictions=cap))
    for row, length in zip(found, np.diff(STARTS) - 2, strict=True):
        wanted = max(1, round(0.15 * length))
        assert len(row) == min(wanted, cap or wanted)
        assert row == sorted(set(row)) and min(row) >= 1 and max(row) <= length


def test_whole_words_are_masked_together_or_not_at_all() -> None:
    """Bug: the rest of a word gives away the piece of it that is to be guessed."""
    begins = VOCABULARY.word_starts("word")
    for number, row in enumerate(rows(masked())):
        ids = TOKENS[STARTS[number] : STARTS[number + 1]]
        for place in row:
            first = place
            while not begins[ids[first]]:
                first -= 1
            last = first
            while not begins[ids[last + 1]] and ids[last + 1] != SEP:
                last += 1
            assert set(range(first, last + 1)) <= set(row)


def test_of_whole_words_about_15_percent_of_the_tokens_are_masked() -> None:
    """Bug: words that do not fit any more are left out, and long ones are rarely asked for."""
    chosen = masked()
    lengths = np.diff(STARTS) - 2
    long = lengths > 30
    wanted = np.rint(0.15 * lengths)[long].sum()
    assert np.diff(chosen.starts)[long].sum() == pytest.approx(wanted, rel=0.01)
    begins = VOCABULARY.word_starts("word")
    at = STARTS[np.repeat(np.arange(len(STARTS) - 1), np.diff(chosen.starts))] + chosen.places
    free = ~np.isin(TOKENS, SPECIAL_IDS)
    assert (begins[TOKENS[at]]).mean() == pytest.approx(begins[TOKENS[free]].mean(), abs=0.02)


def test_a_word_that_does_not_fit_is_passed_over() -> None:
    """Bug: a short sequence whose first word drawn is a long one has nothing masked at all."""
    row = [CLS, 5, *[PIECE] * 7, 6, SEP]  # a word of eight tokens and one of one
    tokens = np.tile(np.array(row, np.uint16), 500)
    starts = np.arange(0, len(tokens) + 1, len(row))
    chosen = Masker(VOCABULARY, Settings()).mask(tokens, starts, np.random.default_rng(0))
    assert (chosen.places == 9).all() and np.diff(chosen.starts).tolist() == [1] * 500


def test_a_cap_on_whole_words_is_never_passed() -> None:
    assert max(map(len, rows(masked(max_predictions=3)))) == 3


def test_80_10_10() -> None:
    chosen = masked(masking="token")
    at = STARTS[np.repeat(np.arange(len(STARTS) - 1), np.diff(chosen.starts))] + chosen.places
    total = len(at)
    same = int((chosen.inputs == TOKENS[at]).sum())
    hidden = int((chosen.inputs == MASK).sum())
    others = VOCABULARY.size - len(SPECIAL_IDS)
    assert within(hidden, total, 0.8)
    assert within(same, total, 0.1 + 0.1 / others)  # another token is now and then the same
    assert not np.isin(chosen.inputs, [i for i in SPECIAL_IDS if i != MASK]).any()
    replaced = chosen.inputs[(chosen.inputs != MASK) & (chosen.inputs != TOKENS[at])]
    assert len(np.unique(replaced)) > 0.8 * others


def test_every_place_is_as_likely_as_any_other() -> None:
    """Bug: a sort that is not by chance alone prefers the beginnings of sequences."""
    tokens = np.tile(np.array([CLS, *range(5, 25), SEP], np.uint16), 4000)
    starts = np.arange(0, len(tokens) + 1, 22)
    masker = Masker(VOCABULARY, Settings(masking="token"))
    places = masker.mask(tokens, starts, np.random.default_rng(1)).places
    counts = np.bincount(places, minlength=22)[1:21]
    assert all(within(int(count), 4000, 3 / 20) for count in counts)


def test_the_generator_decides_and_nothing_else() -> None:
    one, same, other = masked(3), masked(3), masked(4)
    assert np.array_equal(one.places, same.places) and np.array_equal(one.inputs, same.inputs)
    assert not np.array_equal(one.inputs, other.inputs)


class _Few:
    """Draws few different numbers."""

    def integers(self, low: int, high: int, size: int) -> np.ndarray:
        return np.arange(size) % min(7, high)

    def random(self, size: int) -> np.ndarray:
        return np.zeros(size)


def test_words_that_draw_the_same_number_keep_their_order() -> None:
    """Bug: a tie is broken as the processor's sort does it, and a corpus differs by machine."""
    count = 2000
    tokens = np.array([CLS, *np.arange(count) % 40 + 5, SEP], np.uint16)
    masker = Masker(VOCABULARY, Settings(masking="token"))
    chosen = masker.mask(tokens, np.array([0, len(tokens)]), _Few())  # type: ignore[arg-type]
    first = sorted(range(count), key=lambda place: place % 7)[: count * 15 // 100]
    assert rows(chosen) == [[place + 1 for place in sorted(first)]]
