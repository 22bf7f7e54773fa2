import numpy as np
import pytest
import torch

from kdc.compress.losses.embeddings import Embeddings
from tests.said import GOLD, LENGTHS, fitted, numbers, said


@pytest.mark.parametrize("width", [8, 16])
def test_the_value_is_the_mean_over_real_tokens_of_the_first_states(width: int) -> None:
    """Bug: the states after the first layer, or the mean over padding too."""
    student, teacher = said(0), said(1, layers=4, width=width)
    loss = fitted(Embeddings(), student, teacher)
    weights = list(loss.parameters())
    assert [tuple(weight.shape) for weight in weights] == ([] if width == 8 else [(16, 8)])
    project = numbers(weights[0]).T if weights else np.eye(8)
    gaps = [
        (numbers(student.hidden[0])[row, place] @ project - numbers(teacher.hidden[0])[row, place])
        for row in range(3)
        for place in range(LENGTHS[row])
    ]
    expected = float(np.mean(np.square(gaps)))
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-5)


def test_only_the_embeddings_and_the_projection_learn() -> None:
    """Bug: the gradient runs through all layers, whose own losses are to teach them."""
    student, teacher = said(0), said(1, width=16)
    loss = fitted(Embeddings(), student, teacher)
    loss(student, teacher, GOLD).backward()
    assert [state.grad is not None for state in student.hidden] == [True, False, False]
    gradients = [weight.grad for weight in loss.parameters()]
    assert all(grad is not None and torch.count_nonzero(grad) for grad in gradients)
