"""A batch cut into one slice a process, and what each slice counts in a mean over the batch."""

from dataclasses import replace

import numpy as np

from kdc.compress.arrays import Array, Index
from kdc.compress.data.unlabelled import NO_CLASS
from kdc.compress.encode import Batch, Batches
from kdc.compress.examples import Examples
from kdc.compress.parallel import Crew


def make_slices(batches: Batches, rows: Index, crew: Crew, parts: int = 1) -> list[Batch]:
    """Collate a process's rows of a batch, a batch a slice.

    Args:
        batches: the rows of the table.
        rows: the batch.
        crew: the processes.
        parts: how many slices each process learns from, one after the other.
    """
    among = crew.size * parts
    if among == 1:
        return [batches.make(rows)]
    return [
        replace(batches.make(mine), shares=shares(batches.examples, rows, number, among))
        for number, mine in cut(rows, crew, parts)
    ]


def cut(rows: Index, crew: Crew, parts: int) -> list[tuple[int, Index]]:
    """Return the numbers and the rows of a process's slices: every n-th, so of about one size.

    Where the rows are fewer than the slices, a process without a row takes the first, which then
    counts nothing: all run the same program, and none has to wait for another to say so.

    Args:
        rows: the batch, at least one.
        crew: the processes.
        parts: how many slices each process learns from.
    """
    among = crew.size * parts
    slices = [(number, rows[number::among]) for number in range(crew.rank, among, crew.size)]
    return [(number, mine) for number, mine in slices if len(mine)] or [(crew.rank, rows[:1])]


def shares(rows: Examples, batch: Index, number: int, among: int) -> dict[str, float]:
    """Return what a slice counts in an objective's mean over the batch, by its unit.

    The mean over a batch is the sum over its slices of share times mean over the slice, the share
    being how many of the batch's rows, real tokens or labelled rows are the slice's. Every process
    knows the whole batch, so nobody has to be asked. An objective of a whole `batch` has no shares:
    where a batch would be cut, it is refused (`objectives.build_objectives`).
    """
    tokens, labelled = rows.lengths[batch], is_labelled(rows.labels[batch])
    return {
        "rows": share(np.ones(len(batch)), number, among),
        "tokens": share(tokens, number, among),
        "labelled": share(labelled, number, among),
    }


def is_labelled(labels: Array) -> Array:
    """Return (N,) whether a row has a label: not -100, or no NaN."""
    if labels.dtype.kind == "f":
        return np.asarray(~np.isnan(labels.reshape(len(labels), -1)).any(axis=1))
    return np.asarray(labels != NO_CLASS)


def without_texts(rows: Examples) -> Examples:
    """Return examples as training needs them: their texts are many bytes to send."""
    return replace(rows, texts=[], pairs=None, logits=None)


def share(counts: Array, number: int, among: int) -> float:
    """Return which share of some counts, one a row, a slice has."""
    whole = float(counts.sum())
    return float(counts[number::among].sum()) / whole if whole else 0.0
