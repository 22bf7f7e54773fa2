"""The linear model of the controls: one fit for dense and sparse features."""

import numpy as np
import pytest
import torch

from kdc.compress.linear import fit_linear
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b", "c"), False, "accuracy")
SCORES = Task("t", "regression", (), False, "pearson")
SEVERAL = Task("t", "multi-label", ("a", "b", "c"), False, "micro_f1")


@pytest.mark.parametrize("task", [CLASSES, SCORES])
def test_dense_and_sparse_features_give_one_model(task: Task) -> None:
    """Bug: the transposed matrix of one of the layouts is another matrix."""
    rng = np.random.default_rng(0)
    dense = torch.from_numpy(rng.normal(size=(40, 6)) * (rng.random((40, 6)) < 0.5)).float()
    gold = rng.integers(0, 3, 40)
    labels = gold if task.labels else gold.astype(np.float32)
    found = [fit_linear(x, labels, task, 0.5)(x) for x in (dense, dense.to_sparse_csr())]
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_ridge_regression_in_closed_form() -> None:
    """Bug: a penalised bias, or a penalty that is not over the number of rows."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=50) + 3
    model = fit_linear(torch.from_numpy(x).float(), y.astype(np.float32), SCORES, 2.0)
    wide = np.column_stack([x, np.ones(50)])
    solution = np.linalg.solve(wide.T @ wide + 2.0 * np.diag([1, 1, 1, 1, 0]), wide.T @ y)
    np.testing.assert_allclose(model.weight[:, 0], solution[:4], atol=1e-4)
    assert float(model.bias) == pytest.approx(solution[4], abs=1e-4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_scores_are_fitted_whatever_their_unit(scale: float) -> None:
    """Bug: from a million on the fit is a constant, and every student seems to beat it."""
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(50, 4))).float()
    y = (x @ torch.tensor([1.0, -2.0, 0.5, 0.0])).numpy() + 3
    said = fit_linear(x, (scale * y).astype(np.float32), SCORES, 0.1)(x)[:, 0]
    np.testing.assert_allclose(said / scale, fit_linear(x, y, SCORES, 0.1)(x)[:, 0], atol=1e-3)
    assert np.corrcoef(said, y)[0, 1] > 0.999


def test_several_labels_are_as_many_models_of_their_own() -> None:
    """Bug: the labels share a softmax, or the penalty is divided by their number."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(80, 5))).float()
    gold = (x[:, :3].numpy() + rng.normal(size=(80, 3)) > 0).astype(np.float32)
    found = fit_linear(x, gold, SEVERAL, 0.5)
    wide = np.column_stack([x.numpy(), np.ones(80)]).astype(np.float64)
    ridge = 2 * 0.5 * np.diag([1, 1, 1, 1, 1, 0])
    for label in range(3):  # Newton's method on the sum of log(1 + exp(-+z)) + penalty w^2
        w = np.zeros(6)
        for _ in range(30):
            p = 1 / (1 + np.exp(-wide @ w))
            slope = wide.T @ (p - gold[:, label]) + ridge @ w
            w -= np.linalg.solve(wide.T @ (wide * (p * (1 - p))[:, None]) + ridge, slope)
        np.testing.assert_allclose(found.weight[:, label], w[:5], atol=2e-3)
        assert float(found.bias[label]) == pytest.approx(w[5], abs=2e-3)
