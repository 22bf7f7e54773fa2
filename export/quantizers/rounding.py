"""Symmetric rounding to whole numbers, with the scale that loses least."""

import numpy as np

from kdc.compress.examples import Array

INT8 = 127
"""The largest step of symmetric signed bytes; -128 is left out."""


def fit_scales(groups: Array, lowest: int, highest: int, shares: Array) -> Array:
    """Find, for each group of weights, the scale with the smallest squared error.

    Clipping the few largest weights makes the steps of all others finer; whether that pays is
    tried out, at some shares of the scale that clips nothing.

    Args:
        groups: (G, n) float32 weights; a group shares one scale.
        lowest: the smallest whole number, negative.
        highest: the largest whole number.
        shares: (S,) shares of the widest scale that are tried.

    Returns:
        (G,) float32 scales, 1 where a group is all zero.
    """
    widest = np.maximum(groups.max(axis=1) / highest, groups.min(axis=1) / lowest)
    widest = np.where(widest > 0, widest, 1).astype(np.float32)
    best, least = widest, np.full(len(groups), np.inf, dtype=np.float32)
    for share in shares.astype(np.float32):
        scale = widest * share
        rounded = np.clip(np.rint(groups / scale[:, None]), lowest, highest)
        rounded *= scale[:, None]
        rounded -= groups
        error = np.einsum("gn,gn->g", rounded, rounded)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best


def to_int8(groups: Array) -> tuple[Array, Array]:
    """Round (G, n) weights to bytes with one scale per group: (G, n) int8 and (G,) float32.

    Nothing is clipped: with steps as fine as these, fitted scales changed no figure.
    """
    widest = np.abs(groups).max(axis=1) / INT8
    scale = np.where(widest > 0, widest, 1).astype(np.float32)
    return np.clip(np.rint(groups / scale[:, None]), -INT8, INT8).astype(np.int8), scale
