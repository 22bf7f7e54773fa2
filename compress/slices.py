"""A batch cut into one slice a process, and what each slice counts in a mean over the batch."""

from dataclasses import replace

import numpy as np

from kdc.compress.encode import Batch, Batches, Index
from kdc.compress.examples import Array, Examples
from kdc.compress.losses.hard_labels import NO_CLASS
from kdc.compress.parallel import Crew


def make_slice(batches: Batches, rows: Index, crew: Crew) -> Batch:
    """Collate a process's rows of a batch: every n-th, so that all have about as many tokens.

    Where the rows are fewer than the processes, one without a row takes the first, which then
    counts nothing: all run the same program, and none has to wait for another to say so.
    """
    if crew.size == 1:
        return batches.make(rows)
    mine = rows[crew.rank :: crew.size]
    batch = batches.make(mine if len(mine) else rows[:1])
    return replace(batch, shares=shares(batches.examples, rows, crew))


def shares(rows: Examples, batch: Index, crew: Crew) -> dict[str, float]:
    """Return what a process's slice counts in an objective's mean over the batch, by its unit.

    The mean over a batch is the sum over its slices of share times mean over the slice, the share
    being how many of the batch's rows, real tokens or labelled rows are the slice's. Every process
    knows the whole batch, so nobody has to be asked. A `batch` has no such shares: its slices count
    as their rows do, which is not the loss of the whole.
    """
    tokens, labelled = rows.lengths[batch], is_labelled(rows.labels[batch])
    by_rows = _share(np.ones(len(batch)), crew)
    return {
        "rows": by_rows,
        "tokens": _share(tokens, crew),
        "labelled": _share(labelled, crew),
        "batch": by_rows,
    }


def is_labelled(labels: Array) -> Array:
    """Return (N,) whether a row has a label: not -100, or no NaN."""
    if labels.dtype.kind == "f":
        return np.asarray(~np.isnan(labels.reshape(len(labels), -1)).any(axis=1))
    return np.asarray(labels != NO_CLASS)


def without_texts(rows: Examples) -> Examples:
    """Return examples as training needs them: their texts are many bytes to send."""
    return replace(rows, texts=[], pairs=None, logits=None)


def _share(counts: Array, crew: Crew) -> float:
    whole = float(counts.sum())
    return float(counts[crew.rank :: crew.size].sum()) / whole if whole else 0.0
