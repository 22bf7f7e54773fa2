"""What is kept of made-up logits, against numpy."""

import numpy as np
import pytest
import torch

from kdc.compress.labelling.choose import chosen
from kdc.compress.labels.grid import table
from kdc.compress.labels.method import Method


def logits(places: int = 300, words: int = 50) -> torch.Tensor:
    return 3 * torch.randn(places, words, generator=torch.Generator().manual_seed(0))


def softmax(z: torch.Tensor, t: float = 1.0) -> np.ndarray:
    e = np.exp(z.double().numpy() / t - (z.double().numpy() / t).max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("t", [1.0, 2.0])
def test_the_likeliest_tokens_and_the_mass_of_the_others(bits: int, t: float) -> None:
    """Bug: probabilities of another token, of another temperature, or a tail of the wrong side."""
    z, method = logits(), Method("topk", 7, bits, t)
    rows, p = chosen(z, method), softmax(z, t)
    order = np.argsort(-p, axis=1)[:, :7]
    assert (rows["ids"] == order).all()
    assert (rows["sizes"] == 7).all()
    values = table(bits, method.spread)
    exact = np.take_along_axis(p, order, axis=1)
    off = np.exp(method.spread / (2**bits - 2) / 2) - 1
    np.testing.assert_allclose(values[rows["codes"]], exact, rtol=1.01 * off)
    np.testing.assert_allclose(values[rows["tail"]], 1 - exact.sum(1), rtol=1.01 * off, atol=1e-6)


def test_tokens_below_the_least_count_among_the_others() -> None:
    """Bug: their mass is lost, or a token in the middle of a row is left out."""
    z, method = logits(), Method("topk", 20, 16, least=0.01)
    rows, p = chosen(z, method), softmax(z)
    sizes = np.minimum((p >= 0.01).sum(axis=1), 20)
    assert (rows["sizes"] == sizes).all() and len(set(sizes.tolist())) > 3
    tail = [1 - np.sort(row)[::-1][:size].sum() for row, size in zip(p, sizes, strict=True)]
    np.testing.assert_allclose(table(16, method.spread)[rows["tail"]], tail, rtol=1e-3)


def test_where_every_token_is_listed_no_mass_is_left() -> None:
    """Bug: rounding, written down as the mass of tokens that do not exist."""
    z = torch.zeros(4, 5)
    rows = chosen(z, Method("topk", 9, 16))
    assert (rows["sizes"] == 5).all() and (rows["tail"] == 2**16 - 1).all()


def test_the_full_softmax_is_kept_to_its_grid() -> None:
    """Bug: improbable tokens, which have mass together, all become 0."""
    z = torch.zeros(1, 20_000)
    z[0, 0] = 5.0
    method = Method("full", bits=8)
    values = table(8, method.spread)[chosen(z, method)["codes"]]
    off = np.exp(method.spread / 254 / 2) - 1
    np.testing.assert_allclose(values, softmax(z), rtol=1.01 * off)


def test_draws_are_unbiased() -> None:
    """Bug: the last token, or the first, is drawn too often; or counts that are not of N draws."""
    z = logits(1, 12).expand(4000, 12)
    rng = torch.from_numpy(np.random.default_rng(0).random((4000, 9)))
    rows = chosen(z, Method("draws", 9), rng)
    there = np.arange(9) < rows["sizes"][:, None]
    assert (np.where(there, rows["codes"], 0).sum(axis=1) == 9).all()
    assert all(
        len(set(row[:n].tolist())) == n for row, n in zip(rows["ids"], rows["sizes"], strict=True)
    )
    found = np.bincount(rows["ids"][there], weights=rows["codes"][there], minlength=12) / 36_000
    p = softmax(z[:1])[0]
    assert (np.abs(found - p) < 4.5 * np.sqrt(p * (1 - p) / 36_000) + 1e-9).all()


def test_no_places_give_no_rows() -> None:
    """Bug: a batch of sequences without a masked place ends the run."""
    for method in (Method("topk", 3), Method("draws", 3), Method("full")):
        rows = chosen(torch.zeros(0, 11), method, torch.zeros(0, 3, dtype=torch.float64))
        assert all(len(values) == 0 for values in rows.values())
        assert rows["codes"].ndim == 2
