"""The control that knows words but not their order: the teacher's own token embeddings, averaged.

What it scores is what a table of embeddings and one matrix can do, without a transformer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from kdc.compress.baseline import Answers
from kdc.compress.data.dataset import Split
from kdc.compress.linear import fit_linear
from kdc.compress.task import Task

if TYPE_CHECKING:
    import torch

Numbers = npt.NDArray[np.float32]
_PENALTY = 3.0  # of weights on features of variance 1
_CHUNK = 1024  # texts averaged at once


def fit_static_embeddings(
    train: Split, task: Task, tokenizer: Tokenizer, table: Numbers
) -> Answers:
    """Average each text's token embeddings and fit a linear model on them.

    The mean is brought to length 1. Two texts u and v become [u, v, |u - v|, u * v] (Conneau et al.
    2017, arXiv 1705.02364), and their tokens are weighted by idf = ln((1 + N) / (1 + df)) + 1, as
    similarity asks for (Arora et al. 2017, openreview.net/forum?id=SyK00v5xx). Each feature is
    then brought to mean 0 and variance 1 on the training rows. Of plain means, idf and smooth
    inverse frequencies, with and without length 1 and whitening, these were the best on rows held
    out of the training splits of six public tasks.

    Args:
        train: the rows to learn from.
        task: their task.
        tokenizer: the teacher's; the length it cuts texts at holds here too.
        table: (V, H) the teacher's token embeddings.

    Returns:
        What answers other rows: (N, C) scores, one a class, or (N, 1) for regression.
    """
    weights = np.ones(len(table), dtype=np.float32)
    if train.pairs is not None:
        weights = _idf(tokenizer, [*train.texts, *train.pairs], len(table))
    space = _Space(tokenizer, table, weights)
    features = _features(space, train)
    mean, spread = features.mean(dim=0), features.std(dim=0, correction=0)
    spread[spread == 0] = 1.0  # a text of one token, given over and over
    model = fit_linear((features - mean) / spread, train.labels, task, _PENALTY)
    return lambda rows: model((_features(space, rows) - mean) / spread)


@dataclass(frozen=True)
class _Space:
    tokenizer: Tokenizer
    table: Numbers
    weights: Numbers
    """(V,) of every token."""


def _idf(tokenizer: Tokenizer, texts: Sequence[str], size: int) -> Numbers:
    df = np.zeros(size, dtype=np.int64)
    for ids, lengths in _chunks(tokenizer, texts):
        rows = np.repeat(np.arange(len(lengths)), lengths)
        df += np.bincount(np.unique(rows * size + ids) % size, minlength=size)
    return np.asarray(np.log((1 + len(texts)) / (1 + df)) + 1, dtype=np.float32)


def _features(space: _Space, rows: Split) -> "torch.Tensor":
    """Return (N, H) directions, or (N, 4 H) features of pairs."""
    import torch

    one = torch.from_numpy(_directions(space, rows.texts))
    if rows.pairs is None:
        return one
    other = torch.from_numpy(_directions(space, rows.pairs))
    return torch.cat([one, other, (one - other).abs(), one * other], dim=1)


def _directions(space: _Space, texts: Sequence[str]) -> Numbers:
    """Return the (N, H) weighted means at length 1; a text without tokens is at the origin."""
    found = []
    for ids, lengths in _chunks(space.tokenizer, texts):
        weighted = space.table[ids] * space.weights[ids, None]
        sums = np.zeros((len(lengths), space.table.shape[1]), dtype=np.float32)
        some = np.flatnonzero(lengths)
        if some.size:
            starts = np.cumsum(lengths) - lengths
            sums[some] = np.add.reduceat(weighted, starts[some], axis=0)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        found.append(sums / np.where(norms == 0, 1, norms))
    return np.concatenate(found)


def _chunks(
    tokenizer: Tokenizer, texts: Sequence[str]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield some texts' token ids, one after the other, and how many each has."""
    for start in range(0, len(texts), _CHUNK):
        batch = list(texts[start : start + _CHUNK])
        rows = [row.ids for row in tokenizer.encode_batch(batch, add_special_tokens=False)]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        yield np.fromiter((i for row in rows for i in row), np.int64, int(lengths.sum())), lengths
