import time
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.bundle.numbers import HIGHEST, HIGHEST_BUILD, build_number, model_number


def test_numbers_are_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that does not grow by itself makes a newer app one that phones refuse."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert abs(model_number(None) - time.time()) < 60
    since_2020 = (time.time() - 50 * 365.25 * 86_400) / 60  # to a day
    assert abs(build_number(None) - since_2020) < 1440
    assert (model_number(5), build_number(5)) == (5, 5)


@pytest.mark.parametrize(
    ("clock", "model", "build"),
    [("1577836860", 1577836860, 1), ("1577836920", 1577836920, 2), ("1", 1, 1)],
)
def test_a_build_that_is_reproduced_has_the_same_numbers(
    clock: str, model: int, build: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", clock)
    assert (model_number(None), build_number(None)) == (model, build)


def test_a_build_number_never_exceeds_what_android_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(HIGHEST))
    assert build_number(None) == HIGHEST_BUILD


@pytest.mark.parametrize("clock", ["", "0", "-1", "1.5", "yesterday", "\u0661", "9" * 30])
def test_a_clock_that_is_none_is_one_sentence(clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", clock)
    with pytest.raises(KdcError, match="is no number of seconds since 1970"):
        model_number(None)


@pytest.mark.parametrize(
    ("app", "number", "told"),
    [
        ("android", 0, "give a whole number from 1 to 2100000000"),
        ("ios", HIGHEST_BUILD + 1, "give a whole number from 1 to 2100000000"),
        ("web", 5, "give --sign as well"),
    ],
)
def test_a_number_that_no_phone_takes_is_refused(
    app: str, number: int, told: str, tmp_path: Path
) -> None:
    """Gradle, Android and Apple would say so much later, or cut it off."""
    with pytest.raises(KdcError, match=told):
        bundle(BundleJob(tmp_path / "phone", app, tmp_path / "app", number=number))


def test_a_signed_models_number_stays_exact(tmp_path: Path) -> None:
    """JavaScript cannot tell 2^53 and 2^53 + 1 apart: a rollback by one would pass."""
    job = BundleJob(tmp_path, "web", tmp_path / "app", sign=tmp_path / "k", number=HIGHEST + 1)
    with pytest.raises(KdcError, match="from 1 to 9007199254740991"):
        bundle(job)
