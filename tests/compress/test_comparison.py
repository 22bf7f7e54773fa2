import numpy as np
import pytest

from kdc.compress.comparison import compare
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b"), False, "accuracy")
SCORES = Task("t", "regression", (), False, "pearson")


def logits(right: np.ndarray, gold: np.ndarray) -> np.ndarray:
    return np.eye(2)[np.where(right, gold, 1 - gold)]


def test_the_interval_is_that_of_paired_rows() -> None:
    """Bug: two intervals, each as wide as if the other model had answered other rows."""
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 1000)
    theirs = rng.random(1000) < 0.7
    ours = theirs.copy()
    ours[np.flatnonzero(~theirs)[:30]] = True
    found = compare("dev", logits(ours, gold), logits(theirs, gold), gold, CLASSES)
    spread = np.std(ours.astype(float) - theirs) / 1000**0.5
    assert found.difference == pytest.approx(0.03)
    assert found.low == pytest.approx(0.03 - 1.96 * spread, abs=0.002)
    assert found.high == pytest.approx(0.03 + 1.96 * spread, abs=0.002)
    assert not found.within_noise
    back = compare("dev", logits(theirs, gold), logits(ours, gold), gold, CLASSES)
    assert back.difference == -found.difference and back.high < 0


def test_models_that_are_alike_are_within_noise() -> None:
    rng = np.random.default_rng(1)
    gold = rng.integers(0, 2, 200)
    a, b = (logits(rng.random(200) < 0.8, gold) for _ in range(2))
    assert compare("dev", a, b, gold, CLASSES).within_noise
    assert compare("dev", a, a, gold, CLASSES).as_dict() == {
        "split": "dev",
        "difference": 0,
        "interval": [0, 0],
        "within_noise": True,
    }


def test_scores_are_compared_by_their_own_metric() -> None:
    rng = np.random.default_rng(2)
    gold = rng.normal(size=300)
    near, far = (gold[:, None] + noise * rng.normal(size=(300, 1)) for noise in (0.1, 2))
    found = compare("test", near, far, gold, SCORES)
    expected = np.corrcoef(near[:, 0], gold)[0, 1] - np.corrcoef(far[:, 0], gold)[0, 1]
    assert found.difference == pytest.approx(expected) and found.low > 0
