import numpy as np
import pytest

from kdc.export.drift import find_drift


def test_a_run_that_becomes_slower_is_seen_by_minute() -> None:
    """A phone gets warm after minutes: the p50 of the whole run hides it."""
    wall = np.concatenate([np.full(6000, 10.0), np.full(3000, 20.0), np.full(2000, 30.0)])
    found = find_drift(wall.tolist(), (wall / 2).tolist(), seed=0)
    assert found is not None
    assert found.minutes == 3.0
    assert found.by_minute == ((0.0, 10.0, 5.0), (1.0, 20.0, 10.0), (2.0, 30.0, 15.0))
    assert (found.first_ms, found.last_ms, found.ratio.value) == (10.0, 30.0, 3.0)
    assert found.as_dict()["by_minute"][1] == [1.0, 20.0, 10.0]


def test_what_is_left_of_a_minute_is_no_part_of_its_own() -> None:
    """A last part of a second would be compared with the first minute."""
    found = find_drift([10.0] * 12_100, [], seed=0)
    assert found is not None and len(found.by_minute) == 2
    assert [row[0] for row in found.by_minute] == pytest.approx([0.0, 121 / 120])
    assert found.by_minute[0][2] is None


def test_a_run_just_short_of_its_minutes_still_ends_with_one_minute() -> None:
    """Run times add up to less than `--minutes 3`: the last two minutes were taken for the last."""
    wall = np.concatenate([np.full(11_900, 10.0), np.full(3020, 20.0)])  # 119 s, then 60.4 s
    found = find_drift(wall.tolist(), [], seed=0)
    assert found is not None and found.minutes == pytest.approx(2.99)
    assert [row[1] for row in found.by_minute] == [10.0, 10.0, 20.0]
    assert [row[0] for row in found.by_minute] == pytest.approx([0.0, 2.99 / 3, 2 * 2.99 / 3])


@pytest.mark.parametrize(("seconds", "parts"), [(89, 5), (91, 2), (119, 2), (149, 2), (151, 3)])
def test_parts_are_as_near_to_a_minute_as_can_be(seconds: int, parts: int) -> None:
    """A run of 1.99 minutes was cut into five and called minutes."""
    found = find_drift([10.0] * (100 * seconds), [], seed=0)
    assert found is not None and len(found.by_minute) == parts


def test_a_short_run_is_cut_into_five() -> None:
    found = find_drift([1.0] * 50, [1.0] * 50, seed=0)
    assert found is not None and len(found.by_minute) == 5
    assert found.ratio.value == 1.0


def test_disturbed_seconds_are_one_witness_each() -> None:
    """Ninety thousand runs in one disturbed minute are not ninety thousand proofs of a drift."""
    rng = np.random.default_rng(0)
    seconds = np.repeat(rng.uniform(0.9, 1.1, 120), 1000)
    found = find_drift(seconds.tolist(), [], seed=0)
    assert found is not None
    assert found.ratio.low < 1 < found.ratio.high
    assert found.ratio.high - found.ratio.low > 0.02


@pytest.mark.parametrize("wall", [[], [1.0] * 9, [1.0, 1e6] * 5])
def test_too_few_runs_have_no_drift_or_a_sound_one(wall: list[float]) -> None:
    found = find_drift(wall, [], seed=0)
    assert found is None or np.isfinite(found.ratio.value)
