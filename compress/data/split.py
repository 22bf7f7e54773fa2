"""Choosing the dev rows of a table that brings none."""

import numpy as np
import numpy.typing as npt

MAX_DEV = 2000
"""Rows; with more, an accuracy's interval hardly narrows and every evaluation takes longer."""
_SEED = 0
"""Not the run's: no run may be tested on what its teacher, or another seed, has learned."""

Numbers = npt.NDArray[np.int64]


def choose_dev(groups: Numbers) -> Numbers:
    """Choose a tenth of the rows, at least 2 and at most 2,000, from every group its share.

    A group always keeps one row for training, so that fewer are chosen where rows are few.

    Args:
        groups: (N,) class numbers, or zeros where there are no classes.

    Returns:
        The positions of the chosen rows, ascending; the same rows always give the same.
    """
    rng = np.random.default_rng(_SEED)
    counts = np.bincount(groups)
    shares = _shares(counts, min(MAX_DEV, max(2, round(len(groups) / 10))), rng)
    shuffled = rng.permutation(len(groups))
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(groups)) - np.repeat(starts, counts)
    return np.sort(by_group[rank < np.repeat(shares, counts)])


def _shares(counts: Numbers, total: int, rng: np.random.Generator) -> Numbers:
    """Divide `total` in proportion to (C,) counts, the largest remainders rounded up first."""
    room = np.maximum(counts - 1, 0)
    quota = total * counts / counts.sum()
    shares: Numbers = np.minimum(quota.astype(np.int64), room)
    ties = rng.permutation(len(counts))
    order = ties[np.argsort((shares - quota)[ties], kind="stable")]
    while (left := min(total, int(room.sum())) - int(shares.sum())) > 0:
        unfilled = order[shares[order] < room[order]]
        shares[unfilled[:left]] += 1
    return shares
