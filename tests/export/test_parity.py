import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kdc.compress.artifact import read_student
from kdc.compress.errors import GateFailed
from kdc.compress.progress import Silent
from kdc.export.parity import check_export, compare, metric_drop, spread, unit
from kdc.export.session import Session, open_session

Logits = npt.NDArray[np.float32]


def test_compare_against_numbers_by_hand() -> None:
    ours = np.array([[1.0, 2.0], [3.0, 0.0], [0.5, 0.4]])
    theirs = np.array([[1.0, 2.5], [2.0, 0.0], [0.4, 0.5]])
    parity = compare("it", ours, theirs, "classification")
    assert parity.rows == 3
    assert parity.largest == pytest.approx(1.0)
    assert parity.mean == pytest.approx((0.5 + 1.0 + 0.1 + 0.1) / 6)
    assert parity.agreement == pytest.approx(2 / 3)


def test_regression_has_no_labels_to_agree_on() -> None:
    """The argmax of one column is 0: every broken regression would agree fully."""
    ours, theirs = np.array([[1.0], [9.0]]), np.array([[1.0], [2.0]])
    assert compare("it", ours, theirs, "regression").agreement is None


def test_of_several_labels_all_have_to_agree() -> None:
    """The largest logit is the same while a second label is lost."""
    ours = np.array([[3.0, 0.1], [3.0, -0.1], [-1.0, -2.0]])
    theirs = np.array([[2.0, 0.2], [2.0, 0.2], [-2.0, -1.0]])
    assert compare("it", ours, theirs, "multi-label").agreement == pytest.approx(2 / 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_fails_the_gate(bad: float) -> None:
    """Comparisons with NaN are all false: a gate written as `difference > limit` lets it pass."""
    logits = np.array([[1.0, bad]])
    with pytest.raises(GateFailed, match="the model answers NaN"):
        compare("the model", logits, np.array([[1.0, 2.0]]), "classification")


def test_another_number_of_classes_fails_the_gate() -> None:
    """Broadcasting would compare (N, 1) with (N, C) without a word."""
    with pytest.raises(GateFailed, match=r"\(4, 1\).*\(4, 3\)"):
        compare("it", np.zeros((4, 1)), np.zeros((4, 3)), "classification")


def one_hot(classes: npt.NDArray[np.int64]) -> Logits:
    return np.eye(2, dtype=np.float32)[classes]


def test_the_drop_is_in_points_and_its_interval_is_paired() -> None:
    """Unpaired, the interval of two models that differ in 4 of 400 rows is five times as wide.

    Paired, a row's loss is 1 with probability 4/400 and else 0: the standard error of the mean is
    sqrt(p (1 - p) / n), a half point.
    """
    gold = np.zeros(400, dtype=np.int64)
    student = np.where(np.arange(400) < 100, 1, 0)
    ours = np.where(np.arange(400) < 104, 1, 0)
    drop = metric_drop("accuracy", one_hot(ours), one_hot(student), gold)
    error = 100 * math.sqrt(0.01 * 0.99 / 400)
    assert drop.points == pytest.approx(1.0)
    assert drop.low == pytest.approx(1.0 - 1.96 * error, abs=0.3)
    assert drop.high == pytest.approx(1.0 + 1.96 * error, abs=0.3)
    assert drop.p == 1 / 2**4


def test_a_gain_is_a_negative_drop_and_no_change_is_none() -> None:
    gold = np.zeros(50, dtype=np.int64)
    wrong = np.where(np.arange(50) < 5, 1, 0)
    assert metric_drop("accuracy", one_hot(gold), one_hot(wrong), gold).points == pytest.approx(-10)
    same = metric_drop("accuracy", one_hot(wrong), one_hot(wrong), gold)
    assert (same.points, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_regression_drops_by_correlation() -> None:
    gold = np.arange(40, dtype=np.float32)
    noisy = gold[:, None] + np.where(np.arange(40) % 2, 12.0, -12.0)[:, None]
    wanted = 100 * (1 - float(np.corrcoef(noisy[:, 0], gold)[0, 1]))
    drop = metric_drop("pearson", noisy, gold[:, None], gold)
    assert drop.points == pytest.approx(wanted)
    assert drop.p == 1 / 1001


def test_a_unit_is_1_or_what_large_scores_are_rounded_by() -> None:
    """Bug: what is exact for stars from 1 to 5 is asked of prices and of years."""
    stars, prices = np.array([[1.0], [5.0]]), np.array([[1e5], [3e5]])
    assert unit(prices, "classification") == unit(stars / 100, "regression") == 1
    assert unit(stars, "regression") == pytest.approx(2)
    assert unit(prices, "regression") == pytest.approx(1e5)
    assert unit(np.array([[1e6], [1e6 + 1]]), "regression") == pytest.approx(1000, rel=1e-3)


def test_spread_takes_the_ends_and_nothing_twice() -> None:
    assert spread(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert spread(101, 5).tolist() == [0, 25, 50, 75, 100]
    assert spread(1, 5).tolist() == [0]


def test_the_export_of_the_student_passes(student_folder: Path, fp32: Path) -> None:
    dev = read_student(student_folder).dev()
    parity = check_export(open_session(fp32), dev, "classification", 0, Silent())
    assert parity.rows == len(dev)
    assert parity.largest < 1e-4
    assert parity.agreement == 1.0


def test_other_weights_than_the_student_answered_with_fail(
    student_folder: Path, fp32: Path
) -> None:
    """A student that was trained on after dev.npz was written."""
    dev = read_student(student_folder).dev()
    assert dev.logits is not None
    moved = replace(dev, logits=dev.logits + np.float32(0.002))
    with pytest.raises(GateFailed, match=r"the student's own by up to 0.002 on 60 dev rows"):
        check_export(open_session(fp32), moved, "classification", 0, Silent())


@dataclass(frozen=True)
class Maskless(Session):
    """A model that looks at padding."""

    def run_batch(self, tokens: Logits, mask: Logits, types: Logits) -> Logits:
        return super().run_batch(tokens, np.ones_like(mask), types)


def test_an_export_that_looks_at_padding_fails(student_folder: Path, fp32: Path) -> None:
    """Alone every text is right, so only a batch of several lengths shows it."""
    dev, session = read_student(student_folder).dev(), open_session(fp32)
    blind = Maskless(**{field.name: getattr(session, field.name) for field in fields(session)})
    with pytest.raises(GateFailed, match="its own without padding"):
        check_export(blind, dev, "classification", 0, Silent())


def test_the_drop_of_several_labels_has_a_paired_bootstrap() -> None:
    """McNemar's test knows rows that are right or wrong, and F1 counts labels."""
    rng = np.random.default_rng(0)
    gold = (rng.random((300, 4)) < 0.3).astype(np.float32)
    student = 2 * gold - 1
    student[rng.random((300, 4)) < 0.1] *= -1
    worse = np.where(rng.random((300, 4)) < 0.05, -student, student)
    drop = metric_drop("micro_f1", worse, student, gold)

    def f1_of(logits: Logits) -> float:
        hits = float(((logits > 0) & (gold == 1)).sum())
        return 200 * hits / float((logits > 0).sum() + gold.sum())

    assert drop.points == pytest.approx(f1_of(student) - f1_of(worse))
    assert 0 < drop.low < drop.points < drop.high and drop.p < 0.01
    assert metric_drop("micro_f1", student, student, gold).p == 1.0
    assert metric_drop("micro_f1", 3 * student, student, gold).points == 0.0
