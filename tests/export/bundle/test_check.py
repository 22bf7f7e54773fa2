"""The check of a web app: what the browser's page says is taken for nothing but words."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import GateFailed, KdcError
from kdc.export.bundle import bundle, check
from kdc.export.bundle.app import BundleJob
from kdc.export.bundle.check import check_web, read_report
from kdc.export.devices.web import browser
from tests.fake_browser import fake_browser
from tests.phones import make_phone
from tests.student import remake
from tests.web_page import require_runtime

RESULTS = [{"state": "exact", "wrong": []}, {"state": "near", "wrong": []}]
PASSED = {
    "outcome": "passed",
    "sentence": "This device gives the golden answer to all 2 texts.",
    "results": RESULTS,
    "texts": ["one", "two"],
    "times": {"p50": 1.5, "p95": 2.5, "runs": 100},
    "load_ms": 30.0,
    "threads": 2,
}


def report(**changes: Any) -> bytes:  # noqa: ANN401
    return json.dumps({**PASSED, **changes}).encode()


def test_a_pass_is_read_with_its_figures() -> None:
    test = read_report(report())
    assert (test.texts, test.load_ms, test.p50_ms, test.p95_ms) == (2, 30.0, 1.5, 2.5)
    assert test.threads == 2


def test_a_failure_names_the_first_text_and_what_is_wrong_with_it() -> None:
    wrong = {"state": "wrong", "wrong": ["tokens", "label"]}
    failed = report(outcome="failed", sentence="1 of 2 otherwise.", results=[RESULTS[0], wrong])
    told = r"1 of 2 otherwise, the first is 'two' \(other tokens and label\)"
    with pytest.raises(GateFailed, match=told) as caught:
        read_report(failed)
    assert caught.value.exit_code == 3


def test_a_refusal_is_a_failure() -> None:
    refused = json.dumps({"outcome": "refused", "sentence": "assets/x is missing", "texts": []})
    with pytest.raises(GateFailed, match=r"here: assets/x is missing$"):
        read_report(refused.encode())


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        report(times=None),
        report(load_ms="soon"),
        report(results=3),
        report(outcome="failed", results=[3], texts=[1]),
        report(outcome="failed", results={"a": 1}, texts=["a"]),
    ],
    ids=lambda body: str(body)[:20],
)
def test_what_is_no_report_is_one_sentence(body: bytes | None) -> None:
    with pytest.raises(KdcError, match="what is no report") as caught:
        read_report(body)
    assert caught.value.exit_code == 1


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which must be empty again in the end."""
    with tempfile.TemporaryDirectory(prefix="web-", dir="/tmp") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("print('no display'); sys.exit(7)", r"browser ended before .* \(no display\)"),
        ("live().close(); time.sleep(60)", "page ended before its self-test did"),
        ("live(); time.sleep(60)", r"did not finish its self-test in 2 s and was stopped"),
    ],
)
def test_a_browser_that_fails_is_told_and_leaves_nothing(
    behaviour: str, told: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaviour = "root = page.path.rpartition('/')[0] + '/'\n" + behaviour
    monkeypatch.setenv("CHROME", str(fake_browser(tmp_path / "browser", behaviour)))
    monkeypatch.setattr(browser, "_GRACE", 0.5)
    monkeypatch.setattr(check, "TIME_LIMIT", 2.0)
    (tmp_path / "app").mkdir()
    with pytest.raises(KdcError, match=told) as caught:
        check_web(tmp_path / "app")
    assert "\n" not in str(caught.value) and list(temporary.iterdir()) == []


@pytest.mark.device
def test_a_real_app_passes_or_is_not_written(tmp_path: Path) -> None:
    require_runtime()
    if browser.find_browser() is None:
        pytest.skip("no Chromium")
    phone = make_phone(tmp_path / "phone")
    made = bundle(BundleJob(phone, "web", tmp_path / "app", check=True))
    assert made.self_test is not None and made.self_test.texts == 6
    golden = json.loads((phone / "golden.json").read_text())
    golden["input_ids"][1][1] += 1
    (phone / "golden.json").write_text(json.dumps(golden))
    remake(phone)
    with pytest.raises(GateFailed, match=r"answers 1 of 6 .* 'will it rain' \(other tokens\)"):
        bundle(BundleJob(phone, "web", tmp_path / "worse", check=True))
    assert not (tmp_path / "worse").exists()
