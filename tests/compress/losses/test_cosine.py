import numpy as np
import pytest

from kdc.compress.losses.cosine import Cosine
from tests.said import GOLD, LENGTHS, changed, fitted, numbers, said


@pytest.mark.parametrize("width", [8, 16])
def test_the_value_is_one_less_the_cosine_of_the_last_states(width: int) -> None:
    """Bug: padding in the mean, or another layer than the last."""
    student, teacher = said(0), said(1, layers=4, width=width)
    loss = fitted(Cosine(), student, teacher)
    weights = list(loss.parameters())
    assert [tuple(weight.shape) for weight in weights] == ([] if width == 8 else [(16, 8)])
    project = numbers(weights[0]).T if weights else np.eye(8)
    found = []
    for row in range(3):
        for place in range(LENGTHS[row]):
            u = numbers(student.hidden[-1])[row, place] @ project
            v = numbers(teacher.hidden[-1])[row, place]
            found.append(1 - u @ v / np.sqrt(u @ u * (v @ v)))
    expected = float(np.mean(found))
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-5)


def test_lengths_do_not_count() -> None:
    """Bug: a squared error in place of a cosine."""
    teacher = said(1)
    loss = fitted(Cosine(), teacher, teacher)
    scaled = changed(teacher, lambda tensor: 3 * tensor)
    assert loss(scaled, teacher, GOLD).item() == pytest.approx(0.0, abs=1e-6)
    against = changed(teacher, lambda tensor: -tensor)
    assert loss(against, teacher, GOLD).item() == pytest.approx(2.0, rel=1e-6)
