import numpy as np
import pytest

from kdc.export.statistics import Percentiles, drift_ratio, ratio


def test_percentiles_are_those_of_the_textbook() -> None:
    """Rank 1 + (n - 1) p between the sorted samples: 1 + 9 * 0.95 = 9.55 of ten."""
    samples = [10.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0, 5.0]
    found = Percentiles.of(samples)
    assert found.n == 10
    assert (found.p50, found.p95, found.p99) == pytest.approx((5.5, 9.55, 9.91))
    assert found.as_dict() == Percentiles.of(samples[::-1]).as_dict()


@pytest.mark.parametrize("n", [1, 2, 5, 101, 1000])
def test_an_interval_is_that_of_resamples_that_are_really_drawn(n: int) -> None:
    """Resamples are never built; a wrong rank would give a narrow interval in a wrong place."""
    rng = np.random.default_rng(3)
    samples = rng.lognormal(0.0, 0.5, n)
    found = Percentiles.of(samples.tolist())
    drawn = rng.choice(samples, (4000, n))
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        resampled = np.percentile(drawn, share, axis=1)
        wanted = np.percentile(resampled, [2.5, 97.5])
        spread = resampled.std()
        assert np.allclose(found.intervals[name], wanted, atol=0.25 * spread + 1e-12), (name, n)


def test_a_95_percent_interval_holds_the_truth_19_times_in_20() -> None:
    """An interval that is too narrow makes two equal models differ."""
    rng = np.random.default_rng(5)
    held = 0
    for seed in range(300):
        low, high = Percentiles.of(rng.exponential(1.0, 200).tolist(), seed).intervals["p50"]
        held += low <= np.log(2) <= high
    assert 0.91 <= held / 300 <= 0.98


def test_a_million_samples_cost_no_more_than_ten() -> None:
    """Two thousand resamples of a million would take minutes and gigabytes."""
    found = Percentiles.of(np.arange(1_000_000.0).tolist())
    low, high = found.intervals["p50"]
    assert found.p50 == 499_999.5 and 498_500 < low < 499_600 < 500_400 < high < 501_500


def test_no_samples_have_no_percentiles() -> None:
    with pytest.raises(ValueError, match="no samples"):
        Percentiles.of([])


def test_a_ratio_is_that_of_the_middle_rounds_within_its_interval() -> None:
    """A ratio of means would be that of the rounds that something else disturbed."""
    rng = np.random.default_rng(1)
    fast = rng.uniform(1.0, 1.2, 101)
    slow = 1.5 * fast * rng.uniform(0.99, 1.01, 101)
    slow[:3] *= 50
    found = ratio([slow], [fast], seed=0)
    middle = sorted(slow / fast)[25:76]
    assert found.value == pytest.approx(np.prod(middle) ** (1 / 51))
    assert found.low <= found.value <= found.high
    assert abs(found.value - 1.5) < 0.01 and found.high - found.low < 0.02


def test_what_slows_both_sides_of_a_round_cancels() -> None:
    """Resampling the sides apart would let the machine's noise into the interval."""
    machine = np.random.default_rng(2).uniform(1.0, 10.0, 60)
    found = ratio([2.0 * machine], [machine], seed=0)
    assert (found.low, found.value, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_processes_that_differ_for_good_widen_the_interval() -> None:
    """A thousand rounds of two processes are two witnesses of where memory lies."""
    rng = np.random.default_rng(4)
    fast = rng.uniform(0.999, 1.001, (4, 500))
    slow = fast * np.array([[0.98], [0.99], [1.01], [1.02]])
    apart = ratio(list(slow), list(fast), seed=0)
    together = ratio([slow.ravel()], [fast.ravel()], seed=0)
    assert apart.high - apart.low > 0.02
    assert together.high - together.low < apart.high - apart.low


def test_an_interval_over_processes_covers_what_it_says() -> None:
    """Bug: a bootstrap of three processes, 95 % by name, held the truth in 80 of 100 runs."""
    rng, runs, processes = np.random.default_rng(5), 800, 5
    held = 0
    for _ in range(runs):
        own = np.exp(rng.normal(0.0, 0.01, processes))
        slow = [1.5 * each * np.exp(rng.normal(0.0, 0.01, 40)) for each in own]
        found = ratio(slow, [np.ones(40)] * processes, seed=0)
        held += found.low <= 1.5 <= found.high
    assert 0.925 < held / runs < 0.975  # 95 % give or take three standard errors


def test_two_processes_have_the_interval_of_the_textbook() -> None:
    """Student's t of one degree of freedom, by hand."""
    found = ratio([np.full(4, 2.0), np.full(4, 8.0)], [np.ones(4)] * 2, seed=0)
    assert found.value == pytest.approx(4.0)
    half = 12.706 * np.log(2.0)  # the standard error of log 2 and log 8 is half their distance
    assert (np.log(found.low), np.log(found.high)) == pytest.approx(
        (np.log(4.0) - half, np.log(4.0) + half), rel=1e-4
    )


def test_times_that_are_no_pairs_are_refused() -> None:
    for slow, fast in ((np.ones(3), np.ones(4)), (np.ones(0), np.ones(0))):
        with pytest.raises(ValueError, match="no pairs"):
            ratio([slow], [fast], seed=0)


def test_a_drift_compares_samples_that_are_no_pairs() -> None:
    rng = np.random.default_rng(6)
    early, late = rng.normal(1.0, 0.01, 60), rng.normal(1.1, 0.01, 45)
    found = drift_ratio(early, late, seed=0)
    assert found.value == np.median(late) / np.median(early)
    assert found.low < 1.1 < found.high and found.high - found.low < 0.02
