"""A web app in a headless Chromium: opened as a user would open it, until its self-test is done."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

from kdc.compress.errors import GateFailed, KdcError
from kdc.export.bundle.app import SelfTest
from kdc.export.devices.web import browser
from kdc.export.devices.web.browser import Browser
from kdc.export.devices.web.server import Site, serve

PAGE = "index.html#check"
TIME_LIMIT = 180.0  # seconds; a small model takes two
_POLL = 0.1  # seconds
_SHOWN = 60  # characters of a text


def check_web(folder: Path) -> SelfTest:
    """Serve an app on the loopback, open it and wait for its self-test.

    Raises:
        GateFailed: it failed, or the page refused its files.
        KdcError: there is no Chromium, or no answer came from it.
    """
    program = browser.require_browser()
    paths = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    with serve(paths, PAGE) as site, browser.browse(program, site.url) as shown:
        _wait(site, shown)
        return read_report(site.answer)


def read_report(body: bytes | None) -> SelfTest:
    """Return what a page reported, of which nothing is taken for granted.

    Raises:
        GateFailed: the self-test did not pass.
        KdcError: it is no report.
    """
    try:
        report = json.loads(body or b"")
        outcome, sentence = str(report["outcome"]), str(report["sentence"])
        if outcome != "passed":
            raise GateFailed(f"the app does not pass its self-test here: {_why(report, sentence)}")
        times = report["times"]
        return SelfTest(
            sentence=sentence,
            texts=len(report["results"]),
            load_ms=float(report["load_ms"]),
            p50_ms=float(times["p50"]),
            p95_ms=float(times["p95"]),
            threads=int(report["threads"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KdcError("the app's page answered with what is no report: try once more") from error


def _why(report: dict[str, Any], sentence: str) -> str:
    """Name the first text that went wrong, if texts did."""
    results = report.get("results") or []
    for text, result in zip(report.get("texts") or [], results, strict=False):
        if result["state"] == "wrong":
            what = " and ".join(str(part) for part in result["wrong"])
            return f"{sentence.rstrip('.')}, the first is {str(text)[:_SHOWN]!r} (other {what})"
    return sentence.rstrip(".")


def _wait(site: Site, shown: Browser) -> None:
    start = monotonic()
    while not site.settled.wait(_POLL):
        if shown.process.poll() is not None:
            raise KdcError(
                f"the browser ended before the app had answered ({shown.last_words()}): name "
                f"another one in {browser.VARIABLE}"
            )
        if monotonic() - start > TIME_LIMIT:
            raise KdcError(
                f"the app did not finish its self-test in {TIME_LIMIT:.0f} s and was stopped "
                f"({shown.last_words()})"
            )
    if site.answer is None:
        raise KdcError("the app's page ended before its self-test did: memory may have run out")
