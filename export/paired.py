"""Is one model worse than another on the same rows, or is it chance?"""

from math import comb

import numpy as np

from kdc.compress.arrays import Array

ALPHA = 0.05
"""A loss that chance alone makes less often than this counts as real."""


def mcnemar(ours: Array, theirs: Array) -> float:
    """Return the one-sided p value of McNemar's exact test.

    Only rows on which exactly one model is right tell the two apart; if both were equally good,
    each of those would be lost with probability one half (McNemar 1947, "Note on the sampling
    error of the difference between correlated proportions"; binomial form as in Dietterich 1998).

    Args:
        ours: (N,) bool, where the model in question is right.
        theirs: (N,) bool, where the model it is compared with is right.

    Returns:
        The probability of losing at least as many rows by chance: small means worse.
    """
    lost = int(np.sum(theirs & ~ours))
    differ = lost + int(np.sum(ours & ~theirs))
    ways = comb(differ, lost)
    total = 0
    for k in range(lost, differ + 1):  # each term from the one before: comb takes n steps itself
        total += ways
        ways = ways * (differ - k) // (k + 1)
    return total / (1 << differ)


def bootstrap_p(losses: Array) -> float:
    """Return the one-sided p value of a paired bootstrap (Davison and Hinkley 1997, section 4.4).

    Args:
        losses: (R,) what the metric lost on each resample of the rows.

    Returns:
        The share of resamples without a loss, never 0: small means worse.
    """
    return (1 + int(np.sum(losses <= 0))) / (1 + len(losses))
