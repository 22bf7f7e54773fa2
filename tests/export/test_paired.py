from itertools import product
from math import comb
from time import process_time

import numpy as np
import pytest

from kdc.export.paired import bootstrap_p, mcnemar


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (5, 2), (9, 1), (3, 8)])
def test_mcnemar_is_the_share_of_coin_tosses_that_lose_as_many(lost: int, won: int) -> None:
    """Counted one by one over every way the discordant rows could have fallen."""
    theirs = np.array([True] * lost + [False] * won + [True, False] * 6)
    ours = np.array([False] * lost + [True] * won + [True, False] * 6)
    ways = list(product((0, 1), repeat=lost + won))
    wanted = np.mean([sum(way) >= lost for way in ways])
    assert mcnemar(ours, theirs) == pytest.approx(wanted)


def test_ten_rows_lost_and_none_won_is_no_chance() -> None:
    """One point of a thousand rows: --max-drop 1 alone would let it pass."""
    theirs = np.ones(1000, dtype=bool)
    ours = np.arange(1000) >= 10
    assert mcnemar(ours, theirs) == pytest.approx(1 / 1024)
    assert mcnemar(theirs, ours) == 1.0


def test_thousands_of_discordant_rows_do_not_overflow() -> None:
    """2 ** 4000 is no float."""
    ours = np.arange(4000) < 1900
    assert 0 < mcnemar(ours, ~ours) < 0.01


def test_every_sum_is_the_binomials_own() -> None:
    """A term that is carried on wrongly is so from some k on, which few pairs of counts show."""
    for lost, won in product(range(0, 40, 3), repeat=2):
        differ = lost + won
        wanted = sum(comb(differ, k) for k in range(lost, differ + 1)) / 2**differ
        ours = np.arange(differ) >= lost
        assert mcnemar(ours, ~ours) == wanted


def test_tens_of_thousands_of_discordant_rows_take_no_minutes() -> None:
    """Bug: each of n terms took n steps on numbers of n digits, and 20,000 rows 14 seconds."""
    ours = np.arange(30_000) < 14_900
    before = process_time()
    assert mcnemar(ours, ~ours) == pytest.approx(0.1253, abs=2e-3)  # the normal approximation
    assert process_time() - before < 5


def test_the_bootstrap_counts_resamples_without_a_loss() -> None:
    assert bootstrap_p(np.array([1.0, 2.0, 0.0, -1.0])) == pytest.approx(3 / 5)
    assert bootstrap_p(np.ones(999)) == pytest.approx(1 / 1000)
