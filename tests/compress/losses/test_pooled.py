from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.losses.pooled import Pooled
from kdc.compress.signals import Signals
from tests.said import GOLD, LENGTHS, fitted, numbers, said


def pooled(signals: Signals, pool: str) -> Any:  # noqa: ANN401
    states = numbers(signals.hidden[-1])
    if pool == "cls":
        return states[:, 0]
    return np.stack([states[row, : LENGTHS[row]].mean(axis=0) for row in range(3)])


@pytest.mark.parametrize("pool", ["mean", "cls"])
@pytest.mark.parametrize("distance", ["mse", "cosine"])
@pytest.mark.parametrize("width", [8, 16])
def test_the_value_compares_one_vector_a_text(pool: str, distance: str, width: int) -> None:
    """Bug: padding in the mean of a short text, or another layer than the last."""
    student, teacher = said(0), said(1, layers=4, width=width)
    loss = fitted(Pooled(pool, distance), student, teacher)
    weights = list(loss.parameters())
    assert [tuple(weight.shape) for weight in weights] == ([] if width == 8 else [(16, 8)])
    project = numbers(weights[0]).T if weights else np.eye(8)
    u, v = pooled(student, pool) @ project, pooled(teacher, pool)
    norms = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
    cosine = float(np.mean(1 - (u * v).sum(axis=1) / norms))
    expected = cosine if distance == "cosine" else float(np.mean((u - v) ** 2))
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool": "max"}, "unknown pool 'max': did you mean"),
        ({"distance": "cosin"}, "unknown distance 'cosin': did you mean cosine"),
        ({"pool": 1}, "unknown pool '1'"),
    ],
    ids=str,
)
def test_unknown_options_are_refused(options: dict[str, Any], words: str) -> None:
    """Bug: any other word is taken for the second choice."""
    with pytest.raises(KdcError, match=words):
        Pooled(**options)
