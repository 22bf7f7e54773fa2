import json
from math import sqrt

import numpy as np
import pytest

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.metrics import (
    METRICS,
    Score,
    accuracy,
    alike,
    f1,
    macro_f1,
    matthews,
    pearson,
    pearson_spearman,
    predictions,
    score,
    spearman,
)

PREDICTED = np.array([1, 1, 1, 0, 0, 0, 0, 1, 0, 1])
GOLD = np.array([1, 1, 0, 0, 0, 0, 1, 1, 0, 0])
TP, FP, FN, TN = 3, 2, 1, 4


def test_accuracy_f1_and_matthews_are_the_textbook_formulas_of_a_two_by_two_table() -> None:
    scale = sqrt((TP + FP) * (TP + FN) * (TN + FP) * (TN + FN))
    assert accuracy(PREDICTED, GOLD) == (TP + TN) / 10
    assert f1(PREDICTED, GOLD) == pytest.approx(TP / (TP + (FP + FN) / 2), abs=1e-12)
    assert matthews(PREDICTED, GOLD) == pytest.approx((TP * TN - FP * FN) / scale, abs=1e-12)


def test_f1_is_of_class_1_alone() -> None:
    """Bug: averaging both classes gives another number than GLUE's for MRPC."""
    assert f1(1 - PREDICTED, 1 - GOLD) == pytest.approx(TN / (TN + (FP + FN) / 2))
    assert f1(np.zeros(3, int), np.zeros(3, int)) == 0.0


def test_macro_f1_weighs_classes_alike_and_skips_those_that_never_occur() -> None:
    predicted, gold = np.array([0, 0, 1, 3, 3, 3]), np.array([0, 1, 1, 3, 3, 0])
    by_hand = [1 / (1 + (1 + 1) / 2), 1 / (1 + (0 + 1) / 2), 2 / (2 + (1 + 0) / 2)]
    assert macro_f1(predicted, gold) == pytest.approx(sum(by_hand) / 3)


def test_matthews_of_several_classes_is_gorodkins_formula() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 4, 200)
    predicted = np.where(rng.random(200) < 0.6, gold, rng.integers(0, 4, 200))
    table = np.zeros((4, 4))
    np.add.at(table, (gold, predicted), 1)
    right, n = np.trace(table), table.sum()
    said, true = table.sum(0), table.sum(1)
    above = right * n - said @ true
    below = sqrt(n * n - said @ said) * sqrt(n * n - true @ true)
    assert matthews(predicted, gold) == pytest.approx(above / below, abs=1e-12)
    assert matthews(np.zeros(200, int), gold) == 0.0


def test_pearson_is_numpys() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)


def test_pearson_far_from_zero_is_not_rounded_away() -> None:
    """Bug: a mean taken in float32 is wrong by as much as the scores differ."""
    rng = np.random.default_rng(0)
    x = (1000 + 0.01 * rng.normal(size=5000)).astype(np.float32)
    y = (x + 0.01 * rng.normal(size=5000)).astype(np.float32)
    exact = np.corrcoef(x.astype(np.float64), y.astype(np.float64))[0, 1]
    assert pearson(x, y) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("n", range(2, 20))
def test_constant_answers_correlate_with_nothing(n: int) -> None:
    """Bug: rounding noise around a constant counted as a perfect correlation of -1."""
    constant, other = np.full(n, 0.1, np.float32), np.full(n, 0.3, np.float32)
    assert pearson(constant, other) == 0.0
    assert pearson(constant, np.arange(n)) == 0.0
    assert spearman(np.arange(n), other) == 0.0


def test_spearman_gives_ties_their_mean_rank() -> None:
    predicted, gold = np.array([3.0, 1.0, 3.0, 9.0, 3.0]), np.array([1.0, 2.0, 2.0, 5.0, 4.0])
    ranks = np.array([3, 1, 3, 5, 3]), np.array([1, 2.5, 2.5, 5, 4])
    expected = np.corrcoef(*ranks)[0, 1]
    assert spearman(predicted, gold) == pytest.approx(expected, abs=1e-12)
    assert spearman(predicted**3, gold) == pytest.approx(expected, abs=1e-12)
    both = (pearson(predicted, gold) + spearman(predicted, gold)) / 2
    assert pearson_spearman(predicted, gold) == both


def test_the_interval_of_accuracy_is_wilsons() -> None:
    """Bug: the usual normal interval of 10 right out of 10 has no width."""
    logits = np.eye(2)[[1] * 10]
    perfect = score("accuracy", logits, np.ones(10, int))
    assert (perfect.low, perfect.high) == pytest.approx((0.7225, 1.0), abs=1e-4)
    # Newcombe 1998, table I: 81 of 263
    gold = np.array([1] * 81 + [0] * 182)
    found = score("accuracy", np.eye(2)[[1] * 263], gold)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_a_bootstrap_is_the_same_twice_and_as_wide_as_theory_says() -> None:
    """Bug: the same folder evaluated twice prints two intervals."""
    rng = np.random.default_rng(2)
    gold = rng.normal(size=400)
    logits = (gold + rng.normal(size=400))[:, None]
    one, two = (score("pearson", logits, gold) for _ in range(2))
    assert one == two
    width = 1.96 / sqrt(400 - 3)  # Fisher's z
    z = np.arctanh(one.value)
    assert (one.low, one.high) == pytest.approx((np.tanh(z - width), np.tanh(z + width)), abs=0.02)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    """Bug: argmax of NaN is a class, and a broken model scores like a majority vote."""
    logits = np.zeros((4, 2))
    logits[2, 1] = value
    with pytest.raises(KdcError, match="NaN or infinity"):
        score("accuracy", logits, np.zeros(4, int))


def test_no_rows_other_rows_and_an_unknown_metric_are_refused() -> None:
    with pytest.raises(KdcError, match="0 answers against 0"):
        score("accuracy", np.zeros((0, 2)), np.zeros(0, int))
    with pytest.raises(KdcError, match="3 answers against 2"):
        score("accuracy", np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(KdcError, match="unknown metric 'acuracy': did you mean accuracy"):
        score("acuracy", np.zeros((2, 2)), np.zeros(2, int))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_the_table_gives_a_perfect_answer_1(name: str) -> None:
    rng = np.random.default_rng(3)
    gold: Array
    logits: Array
    if METRICS[name].kind == "classification":
        gold = rng.integers(0, 2, 40)
        logits = np.eye(2)[gold]
    elif METRICS[name].kind == "multi-label":
        gold = rng.integers(0, 2, (40, 3)).astype(np.float32)
        logits = 2 * gold - 1
    else:
        gold = rng.normal(size=40)
        logits = gold[:, None]
    found = score(name, logits, gold)
    assert found.value == pytest.approx(1.0)
    assert found.low <= found.value <= found.high + 1e-12


def test_predictions_are_classes_or_scores() -> None:
    assert predictions(np.array([[0.1, 2.0], [3.0, 1.0]]), "classification").tolist() == [1, 0]
    assert predictions(np.array([[0.5], [1.5]]), "regression").tolist() == [0.5, 1.5]


def test_a_score_survives_json_and_prints_for_people() -> None:
    found = Score("accuracy", 0.912, 872, 0.8911, 0.929)
    assert Score.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert str(found) == "accuracy 91.20 % (89.1 to 92.9, n = 872)"


@pytest.mark.parametrize(
    "fields",
    [
        None,
        {},
        {"metric": "f1", "value": "x", "n": 1, "interval": [0, 1]},
        {"metric": "f1", "value": 1, "n": 1, "interval": [0]},
        {"metric": "f1", "value": 1, "n": float("inf"), "interval": [0, 1]},
    ],
)
def test_a_damaged_score_is_one_sentence(fields: object) -> None:
    with pytest.raises(KdcError, match="is damaged"):
        Score.from_dict(fields)


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.1), (0.05, 0.05, 0.0)], ids=str)
def test_several_labels_match_a_count_one_by_one(shares: tuple[float, ...]) -> None:
    """Bug: F1 over rows in place of labels, or a label that never occurs counted as 0."""
    rng = np.random.default_rng(1)
    gold = (rng.random((60, 3)) < shares).astype(np.float32)
    logits = rng.normal(size=(60, 3)) + 2 * gold - 1
    logits[:, 2] -= 10 * (shares[2] == 0)
    counts, exact = np.zeros((3, 3), int), 0
    for said, true in zip(logits > 0, gold == 1, strict=True):
        exact += int(all(a == b for a, b in zip(said, true, strict=True)))
        for label in range(3):
            counts[0, label] += said[label] and true[label]
            counts[1, label] += said[label] and not true[label]
            counts[2, label] += true[label] and not said[label]
    each = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in counts.T if tp + fp + fn]
    tp, fp, fn = counts.sum(axis=1)
    wanted = {
        "micro_f1": 2 * tp / (2 * tp + fp + fn),
        "label_f1": sum(each) / len(each),
        "subset_accuracy": exact / 60,
    }
    for name, value in wanted.items():
        found = score(name, logits, gold)
        assert found.value == pytest.approx(value), name
        assert found.low < value < found.high and found.n == 60


def test_no_label_anywhere_is_no_error() -> None:
    """Bug: 0 / 0 on dev rows of which none has a label."""
    gold, logits = np.zeros((4, 3), np.float32), -np.ones((4, 3))
    assert score("micro_f1", logits, gold).value == score("label_f1", logits, gold).value == 0.0
    assert score("subset_accuracy", logits, gold).value == 1.0


def test_a_probability_of_one_half_gives_no_label() -> None:
    """Bug: a model that says nothing at all gives every label."""
    assert not predictions(np.zeros((2, 3)), "multi-label").any()
    found = predictions(np.array([[0.1, -0.1, 3.0]]), "multi-label")
    assert found.tolist() == [[True, False, True]]


def test_rows_are_alike_when_all_their_labels_are() -> None:
    """Bug: two rows in three labels agree by two thirds."""
    ours = np.array([[1, 0, 1], [1, 1, 1]], bool)
    assert alike(ours, np.array([[1, 0, 1], [1, 1, 0]], bool)).tolist() == [True, False]
    assert alike(np.array([1, 2]), np.array([1, 3])).tolist() == [True, False]
