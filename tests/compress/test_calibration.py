"""Calibration against formulas written a second time, and temperatures found by trying all."""

import warnings

import numpy as np
import numpy.typing as npt
import pytest

from kdc.compress.calibration import (
    best_temperature,
    calibration,
    expected_error,
    negative_log_likelihood,
    softmax,
)

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


def answers(rows: int, classes: int, sharp: float) -> tuple[Floats, Classes]:
    """Logits whose true temperature is `sharp`: the classes are drawn from them divided by it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, classes)) * 2
    chances = softmax(logits)
    gold = np.array([rng.choice(classes, p=p) for p in chances])
    return logits * sharp, gold


def by_hand(probabilities: Floats, gold: Classes) -> float:
    """Guo et al. 2017, equation 3, bin by bin: ((m - 1) / 15, m / 15]."""
    total = 0.0
    for m in range(1, 16):
        inside = [
            (p.max(), float(p.argmax() == y))
            for p, y in zip(probabilities, gold, strict=True)
            if (m - 1) / 15 < p.max() <= m / 15
        ]
        if inside:
            confidence, right = (sum(values) / len(inside) for values in zip(*inside, strict=True))
            total += len(inside) / len(gold) * abs(right - confidence)
    return total


@pytest.mark.parametrize(("classes", "sharp"), [(2, 1.0), (3, 4.0), (20, 0.3)])
def test_figures_match_the_papers_formulas(classes: int, sharp: float) -> None:
    """Bug: bins over all classes' probabilities, or a mean over bins instead of rows."""
    logits, gold = answers(500, classes, sharp)
    found = calibration(logits.astype(np.float32), gold)
    chances = np.array([np.exp(row) / np.exp(row).sum() for row in logits])
    assert found.ece == pytest.approx(by_hand(chances, gold), abs=1e-6)
    right = [-np.log(p[y]) for p, y in zip(chances, gold, strict=True)]
    assert found.nll == pytest.approx(np.mean(right), rel=1e-5)


@pytest.mark.parametrize("sharp", [0.25, 1.0, 3.0])
def test_the_best_temperature_is_found(sharp: float) -> None:
    """Bug: the slope's sign turned round, so that confidence is pushed to an end of the range."""
    logits, gold = answers(4000, 4, sharp)
    found = best_temperature(logits, gold)
    tried = np.exp(np.linspace(np.log(0.05), np.log(20), 2000))
    costs = [negative_log_likelihood(softmax(logits / t), gold) for t in tried]
    assert found == pytest.approx(tried[int(np.argmin(costs))], rel=0.005)
    assert found == pytest.approx(sharp, rel=0.1)


def test_each_half_is_scaled_by_the_other_halfs_temperature() -> None:
    """Bug: a temperature that is judged on the rows it was fitted on always looks good."""
    logits, gold = answers(300, 3, 5.0)
    found = calibration(logits, gold)
    half = np.random.default_rng(0).permutation(300) % 2 == 0
    scaled = np.zeros_like(logits)
    scaled[half] = logits[half] / best_temperature(logits[~half], gold[~half])
    scaled[~half] = logits[~half] / best_temperature(logits[half], gold[half])
    assert found.scaled_ece == pytest.approx(by_hand(softmax(scaled), gold), abs=1e-9)
    assert found.scaled_nll == pytest.approx(negative_log_likelihood(softmax(scaled), gold))
    assert found.scaled_nll < found.nll and found.scaled_ece < found.ece / 2
    assert found.temperature == pytest.approx(5.0, rel=0.2)


def test_sure_and_wrong_or_right_to_the_last_row() -> None:
    """Bug: the logarithm of 0, or a temperature without an end."""
    logits = np.array([[1000.0, -1000.0]] * 6, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right, wrong = (calibration(logits, np.full(6, c)) for c in (0, 1))
    assert right.ece == 0 and right.nll == 0 and right.temperature >= 0.05
    assert wrong.ece == 1 and 600 < wrong.nll < 700 and wrong.temperature == pytest.approx(20)
    assert all(np.isfinite(list(c.as_dict().values())).all() for c in (right, wrong))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_few_rows(rows: int) -> None:
    """Bug: a half without rows is a mean of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = calibration(np.eye(3)[:rows], np.arange(rows))
    assert np.isfinite(list(found.as_dict().values())).all()


def test_a_confidence_on_an_edge_is_in_the_bin_below() -> None:
    """Bug: a confidence of 1 falls into a 16th bin."""
    assert expected_error(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0])) == 0.5


def test_of_several_labels_each_is_a_decision_of_its_own() -> None:
    """Bug: one sure label hides another that is sure and wrong, in the mean over all decisions."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(600, 3)) * [1, 3, 5]
    gold = (rng.random((600, 3)) < 1 / (1 + np.exp(-logits / 2))).astype(np.float32)
    yes = 1 / (1 + np.exp(-logits))
    errors, costs = [], []
    for label in range(3):
        chances = np.stack([1 - yes[:, label], yes[:, label]], axis=1)
        errors.append(by_hand(chances, gold[:, label].astype(np.int64)))
        costs.append(np.where(gold[:, label] == 1, -np.log(chances[:, 1]), -np.log(chances[:, 0])))
    found = calibration(logits, gold)
    assert found.ece == pytest.approx(np.mean(errors), abs=1e-9)
    assert found.nll == pytest.approx(np.mean(costs))
    tried = np.exp(np.linspace(np.log(0.5), np.log(8), 2000))
    z = logits[None] / tried[:, None, None]
    likely = (np.logaddexp(0, z) - gold * z).mean(axis=(1, 2))
    assert found.temperature == pytest.approx(tried[likely.argmin()], rel=0.01)
    assert found.temperature == pytest.approx(2.0, rel=0.15)
    assert found.scaled_ece < found.ece and found.scaled_nll < found.nll


def test_the_labels_of_one_row_are_scaled_by_one_half() -> None:
    """Bug: a row's own labels tell the temperature that scales it."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 2))
    gold = (rng.random((40, 2)) < 0.5).astype(np.float32)
    twice = calibration(np.tile(logits, 2), np.tile(gold, 2))
    once = calibration(logits, gold)
    assert twice.scaled_nll == pytest.approx(once.scaled_nll, rel=1e-9)
