"""The control that knows no word order beyond pairs: TF-IDF and a linear model."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kdc.compress.data.dataset import Split
from kdc.compress.task import Task

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[np.float32]
Bag = Counter[str]
_WORD = re.compile(r"\w+")
_PENALTY = 0.05  # L2 on the weights, over the number of rows: about scikit-learn's C = 10
_ROUNDS = 60


def bag_of_words(train: Split, rows: Split, task: Task) -> Array:
    """Fit TF-IDF features and a linear model on `train` and answer `rows`.

    Words and pairs of neighbouring words, sublinear counts, idf = ln((1 + N) / (1 + df)) + 1, rows
    of length 1 (Salton and Buckley 1988); then multinomial logistic regression, or least squares
    for regression, with an L2 penalty, by L-BFGS. Deterministic.

    Args:
        train: the rows to learn from.
        rows: the rows to answer.
        task: their task; the second texts of pairs have features of their own.

    Returns:
        (N, C) scores, one a class, or (N, 1) for regression.
    """
    import torch
    import torch.nn.functional as F

    bags = [_bag(text, pair) for text, pair in _texts(train)]
    columns, idf = _vocabulary(bags)
    seen = _matrix(bags, columns, idf)
    asked = _matrix((_bag(text, pair) for text, pair in _texts(rows)), columns, idf)
    labels = torch.from_numpy(np.ascontiguousarray(train.labels))
    classes = task.kind == "classification"
    seen_columns = seen.t().to_sparse_csr()
    weight = torch.zeros((len(columns), task.outputs))
    bias = torch.zeros(task.outputs) if classes else labels.mean().reshape(1)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ROUNDS, history_size=6, line_search_fn="strong_wolfe"
    )
    truth = F.one_hot(labels, task.outputs).float() if classes else labels[:, None]

    def loss() -> torch.Tensor:
        # the gradients by hand: autograd would transpose the sparse matrix again in every round
        said = seen @ weight + bias
        if classes:
            fit, error = F.cross_entropy(said, labels), said.softmax(dim=1) - truth
        else:
            fit, error = F.mse_loss(said, truth), 2 * (said - truth)
        decay = _PENALTY / len(train)
        weight.grad = seen_columns @ error / len(train) + 2 * decay * weight
        bias.grad = error.mean(dim=0)
        return fit + decay * weight.square().sum()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    answers: Array = (asked @ weight + bias).numpy()
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


def _vocabulary(bags: list[Bag]) -> tuple[dict[str, int], Array]:
    """Return feature -> column and each column's inverse document frequency."""
    frequency: Bag = Counter()
    for bag in bags:
        frequency.update(bag.keys())
    columns = {feature: column for column, feature in enumerate(frequency or [""])}
    df = np.array([frequency[feature] for feature in columns], dtype=np.float32)
    return columns, np.log((1 + len(bags)) / (1 + df)) + 1


def _matrix(bags: Iterable[Bag], columns: dict[str, int], idf: Array) -> "torch.Tensor":
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
