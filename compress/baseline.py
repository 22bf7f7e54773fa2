"""The control that knows no word order beyond pairs: TF-IDF and a linear model."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Logits
from kdc.compress.data.dataset import Split
from kdc.compress.linear import fit_linear
from kdc.compress.task import Task

if TYPE_CHECKING:
    import torch

Numbers = npt.NDArray[np.float32]
Answers = Callable[[Split], Logits]
"""Answers rows with (N, C) scores."""
Bag = Counter[str]
_WORD = re.compile(r"\w+")
_PENALTY = 0.05  # about scikit-learn's C = 10


def fit_bag_of_words(train: Split, task: Task) -> Answers:
    """Fit TF-IDF features and a linear model.

    Words and pairs of neighbouring words, sublinear counts, idf = ln((1 + N) / (1 + df)) + 1, rows
    of length 1 (Salton and Buckley 1988); then the linear model of `fit_linear`. Deterministic.

    Args:
        train: the rows to learn from.
        task: their task; the second texts of pairs have features of their own.

    Returns:
        What answers other rows: (N, C) scores, one a class, or (N, 1) for regression.
    """
    bags = [_bag(text, pair) for text, pair in _texts(train)]
    columns, idf = _vocabulary(bags)
    model = fit_linear(_matrix(bags, columns, idf), train.labels, task, _PENALTY)

    def answers(rows: Split) -> Logits:
        asked = (_bag(text, pair) for text, pair in _texts(rows))
        return model(_matrix(asked, columns, idf))

    return answers


def _texts(split: Split) -> Iterable[tuple[str, str]]:
    return zip(split.texts, split.pairs or [""] * len(split), strict=True)


def _bag(text: str, pair: str) -> Bag:
    bag: Bag = Counter()
    for prefix, part in (("", text), ("2 ", pair)):
        words = _WORD.findall(part.lower())
        bag.update(prefix + word for word in words)
        bag.update(f"{prefix}{a} {b}" for a, b in pairwise(words))
    return bag


def _vocabulary(bags: list[Bag]) -> tuple[dict[str, int], Numbers]:
    """Return feature -> column and each column's inverse document frequency."""
    frequency: Bag = Counter()
    for bag in bags:
        frequency.update(bag.keys())
    columns = {feature: column for column, feature in enumerate(frequency or [""])}
    df = np.array([frequency[feature] for feature in columns], dtype=np.float32)
    return columns, np.log((1 + len(bags)) / (1 + df)) + 1


def _matrix(bags: Iterable[Bag], columns: dict[str, int], idf: Numbers) -> "torch.Tensor":
    """Return the (N, V) sparse matrix of the features that have a column."""
    import torch

    starts, places, values = [0], [], []
    for bag in bags:
        known = sorted((columns[feature], n) for feature, n in bag.items() if feature in columns)
        row = np.array([(1 + np.log(n)) * idf[column] for column, n in known])
        values.append(row / (np.linalg.norm(row) or 1.0))
        places += [column for column, _ in known]
        starts.append(len(places))
    flat = np.concatenate([np.zeros(0), *values]).astype(np.float32)
    size = (len(starts) - 1, len(columns))
    crow, col = torch.tensor(starts), torch.tensor(places, dtype=torch.long)
    return torch.sparse_csr_tensor(crow, col, torch.from_numpy(flat), size)
