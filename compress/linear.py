"""A linear model, fitted to the bottom: what the controls that are no network end in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Labels
from kdc.compress.task import Task

if TYPE_CHECKING:
    import torch

_ROUNDS = 60


@dataclass(frozen=True)
class Linear:
    """Weights (D, C) and biases (C,)."""

    weight: "torch.Tensor"
    bias: "torch.Tensor"

    def __call__(self, features: "torch.Tensor") -> npt.NDArray[np.float32]:
        """Answer (N, D) features, dense or sparse, with (N, C) scores."""
        answers: npt.NDArray[np.float32] = (features @ self.weight + self.bias).numpy()
        return answers


def fit_linear(features: "torch.Tensor", labels: Labels, task: Task, penalty: float) -> Linear:
    """Fit logistic regression, or least squares for regression, by L-BFGS.

    It is multinomial, or, of several labels, one for each. Minimises the mean
    loss of a row + penalty / N * (sum of the squared weights); the bias is free. Deterministic.

    Args:
        features: (N, D) float32, dense or sparse in compressed rows.
        labels: (N,) classes or scores, or (N, C) float32, 1 where a label holds.
        task: what they mean.
        penalty: of the weights.
    """
    import torch
    import torch.nn.functional as F

    from kdc.compress.score_scale import ScoreScale

    truth, kind = torch.from_numpy(np.ascontiguousarray(labels)), task.kind
    scale = ScoreScale(0.0, 1.0)
    if kind == "regression":  # at 10^6 the search would end where it starts
        scale = ScoreScale.of(labels) or ScoreScale(float(labels[0]), 1.0)
        truth = scale.inner(truth)
    sparse = features.layout == torch.sparse_csr
    columns = features.t().to_sparse_csr() if sparse else features.t().contiguous()
    weight = torch.zeros((features.shape[1], task.outputs))
    bias = torch.zeros(task.outputs)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_ROUNDS, history_size=6, line_search_fn="strong_wolfe"
    )
    target = truth.reshape(len(truth), -1)
    if kind == "classification":
        target = F.one_hot(truth, task.outputs).float()
    decay = penalty / len(labels)

    def loss() -> torch.Tensor:
        # the gradients by hand: autograd would transpose a sparse matrix again in every round
        said = features @ weight + bias
        if kind == "multi-label":
            fit = F.binary_cross_entropy_with_logits(said, target) * task.outputs
            error = said.sigmoid() - target
        elif kind == "classification":
            fit, error = F.cross_entropy(said, truth), said.softmax(dim=1) - target
        else:
            fit, error = F.mse_loss(said, target), 2 * (said - target)
        weight.grad = columns @ error / len(labels) + 2 * decay * weight
        bias.grad = error.mean(dim=0)
        return fit + decay * weight.square().sum()

    optimizer.step(loss)
    return Linear(weight * scale.spread, bias * scale.spread + scale.mean)
