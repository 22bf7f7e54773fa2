"""Averaged embeddings against loops over single tokens, and where they must not break."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from kdc.compress.data.dataset import Split
from kdc.compress.linear import fit_linear
from kdc.compress.metrics import score
from kdc.compress.static_embeddings import fit_static_embeddings
from kdc.compress.task import Kind, Task
from tests.student import tiny_tokenizer
from tests.tiny import tiny_data

Floats = npt.NDArray[np.float64]
TABLE = np.random.default_rng(3).normal(size=(128, 12)).astype(np.float32)


def direction(text: str, weights: dict[int, float]) -> Floats:
    total = np.zeros(12)
    for token in tiny_tokenizer().encode(text, add_special_tokens=False).ids:
        total += weights.get(token, 1.0) * TABLE[token].astype(np.float64)
    length = np.sqrt((total * total).sum())
    return total / length if length else total


def idf(texts: list[str]) -> dict[int, float]:
    rows = [set(tiny_tokenizer().encode(text, add_special_tokens=False).ids) for text in texts]
    return {
        token: float(np.log((1 + len(texts)) / (1 + sum(token in row for row in rows)))) + 1
        for token in range(128)
    }


def features(split: Split, weights: dict[int, float]) -> Floats:
    rows = []
    for index, text in enumerate(split.texts):
        u = direction(text, weights)
        if split.pairs is None:
            rows.append(u)
            continue
        v = direction(split.pairs[index], weights)
        rows.append(np.concatenate([u, v, abs(u - v), u * v]))
    return np.array(rows)


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_features_match_plain_loops(kind: Kind, pair: bool) -> None:
    """Bug: special tokens in the mean, a mean over the wrong rows, weights of another text."""
    data = tiny_data(kind, pair=pair)
    weights = idf([*data.train.texts, *(data.train.pairs or [])]) if pair else {}
    x, asked = features(data.train, weights), features(data.dev, weights)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    standard = torch.from_numpy((x - mean) / spread).float()
    model = fit_linear(standard, data.train.labels, data.task, 3.0)
    expected = model(torch.from_numpy((asked - mean) / spread).float())
    answers = fit_static_embeddings(data.train, data.task, tiny_tokenizer(), TABLE)(data.dev)
    np.testing.assert_allclose(answers, expected, atol=0.02)


def test_words_that_decide_are_learnt_and_their_order_is_not() -> None:
    """Bug: features without the texts in them."""
    data = tiny_data(rows=400)
    answers = fit_static_embeddings(data.train, data.task, tiny_tokenizer(), TABLE)
    assert score("accuracy", answers(data.dev), data.dev.labels).value > 0.9
    turned = [" ".join(reversed(text.split())) for text in data.dev.texts]
    again = answers(Split(turned, None, data.dev.labels))
    np.testing.assert_allclose(again, answers(data.dev), atol=1e-4)


@pytest.mark.parametrize("texts", [["", "🎉", "\0"], ["wake"] * 3, ["z" * 10_000, "", "مرحبا"]])
def test_texts_of_no_token_or_all_alike(texts: list[str]) -> None:
    """Bug: a length of 0 or a variance of 0 divides, and the metric refuses the NaN."""
    rows = Split(texts, None, np.array([0, 1, 1]))
    task = Task("t", "classification", ("a", "b"), False, "accuracy")
    answers = fit_static_embeddings(rows, task, tiny_tokenizer(), TABLE)(rows)
    assert np.isfinite(answers).all()
