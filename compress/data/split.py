"""Choosing the dev rows of a table that brings none."""

from collections import Counter

import numpy as np
import numpy.typing as npt

MAX_DEV = 2000
"""Rows; with more, an accuracy's interval hardly narrows and every evaluation takes longer."""
_SEED = 0
"""Not the run's: no run may be tested on what its teacher, or another seed, has learned."""

Numbers = npt.NDArray[np.int64]


def choose_dev(groups: Numbers, texts: Numbers) -> Numbers:
    """Choose a tenth of the rows, at least 2 and at most 2,000, from every group its share.

    A group always keeps one row for training, so that fewer are chosen where rows are few. All
    rows of one text go the same way: a model is not tested on what it has learned by heart.

    Args:
        groups: (N,) class numbers, or zeros where there are no classes.
        texts: (N,) numbers of the rows' texts, counted from 0.

    Returns:
        The positions of the chosen rows, ascending; the same rows always give the same.
    """
    rng = np.random.default_rng(_SEED)
    counts = np.bincount(groups)
    shares = _shares(counts, min(MAX_DEV, max(2, round(len(groups) / 10))), rng)
    shuffled = rng.permutation(len(groups))
    by_group = shuffled[np.argsort(groups[shuffled], kind="stable")]
    chosen = set[int]()
    for rows, share in zip(np.split(by_group, np.cumsum(counts)[:-1]), shares, strict=True):
        chosen |= _fill(Counter(texts[rows].tolist()), int(share), chosen)
    return np.flatnonzero(np.isin(texts, list(_without_last(groups, texts, chosen))))


def _without_last(groups: Numbers, texts: Numbers, chosen: set[int]) -> set[int]:
    """Give back what took a group's last rows along: a text may stand in two groups."""
    lost = np.setdiff1d(groups, groups[~np.isin(texts, list(chosen))])
    return chosen - {int(texts[groups == group][0]) for group in lost}


def _fill(copies: Counter[int], share: int, chosen: set[int]) -> set[int]:
    """Choose texts whose rows are together no more than a share; if none fits, the rarest.

    Args:
        copies: a group's texts with their rows, in the order of their turns.
        share: rows.
        chosen: what is chosen already: a text may stand in two groups.
    """
    left = share - sum(copies[text] for text in chosen if text in copies)
    found = set()
    for text, count in copies.items():
        if left <= 0:
            break
        if text not in chosen and count <= left:
            found.add(text)
            left -= count
    if left == share > 0 and len(copies) > 1:
        return {min(copies, key=lambda text: copies[text])}
    return found


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
