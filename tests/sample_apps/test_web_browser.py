"""The web app in a real browser, around a real model: threads, offline, for everybody."""

import json
import shutil
from pathlib import Path

import pytest

from tests.phones import LABELS, TEXTS
from tests.web_page import ISOLATED, Page, hosted

pytestmark = pytest.mark.device


OFFLINE = """[...document.querySelectorAll("#device dt")]
  .find((one) => one.textContent === "Opens offline").nextSibling.textContent"""


def test_it_answers_and_passes_its_self_test(ready: Path, page: Page) -> None:
    with hosted(ready) as host:
        page.do("open", host.url)
        report = page.self_test()
        assert report["outcome"] == "passed", report
        assert [result["state"] for result in report["results"]] == ["exact"] * len(TEXTS)
        assert report["times"]["p50"] <= report["times"]["p95"]
        golden = json.loads((ready / "assets" / "golden.json").read_text())
        for text, label in zip(golden["texts"][:3], golden["labels"][:3], strict=True):
            assert page.answer(text) == label
        assert page.do("said") == []


def test_it_opens_after_the_server_is_gone(ready: Path, page: Page) -> None:
    """A page that fetches one forgotten file works in every test but this one."""
    with hosted(ready) as host:
        page.do("open", host.url)
        assert page.self_test()["kept"] is True
        page.do("wait", f"{OFFLINE} === 'yes'")
    page.do("offline", True)
    page.do("open", host.url)
    assert page.self_test()["outcome"] == "passed"
    assert page.answer("will it rain") in LABELS


def test_a_page_that_is_not_kept_does_not_say_that_it_opens_offline(app: Path, page: Page) -> None:
    """Its worker may fail to be installed long after the page has begun."""
    (app / "style.css").write_text((app / "style.css").read_text() + "/* cut sh")
    with hosted(app, ISOLATED) as host:
        page.do("open", host.url)
        assert page.self_test()["kept"] is True  # the model is, and the page is not
        page.do("wait", f"{OFFLINE} !== 'not yet'")
        assert str(page.do("evaluate", OFFLINE)).startswith("no")


def test_a_lost_file_is_never_taken_from_another_version(app: Path, page: Page) -> None:
    """A script of the next version among those of this one fails in ways nobody can repeat."""
    lose = """(async () => {
      const name = (await caches.keys()).find((one) => one.includes(" shell "));
      return (await caches.open(name)).delete(new URL("views.js", location.href));
    })()"""
    read = "fetch('views.js').then((one) => one.text()).catch(() => null)"
    whole = (app / "views.js").read_text()
    with hosted(app) as host:
        page.do("open", host.url)
        page.self_test()
        page.do("wait", "navigator.serviceWorker.controller !== null")
        assert page.do("evaluate", lose) is True
        assert page.do("evaluate", read) == whole
        (app / "views.js").write_text(whole + "// of the next version")
        assert page.do("evaluate", read) is None


@pytest.mark.parametrize("threads", [1, 2])
def test_a_host_without_headers_gets_its_threads_from_the_service_worker(
    threads: int, ready: Path, page: Page
) -> None:
    with hosted(ready) as host:
        page.do("open", f"{host.url}?threads={threads}")
        report = page.self_test()
    assert (report["outcome"], report["threads"]) == ("passed", threads)
    assert report["isolated"] is True


def test_every_app_of_an_origin_gets_its_threads(ready: Path, tmp_path: Path, page: Page) -> None:
    """Bug: the second one found that its page had been loaded again, and that was the first's."""
    for name in ("one", "other"):
        shutil.copytree(ready, tmp_path / name)
    with hosted(tmp_path) as host:
        for name in ("one", "other"):
            page.do("open", f"{host.url}{name}/?threads=2")
            page.do("wait", "crossOriginIsolated")
            assert page.self_test()["threads"] == 2


def test_a_page_that_is_not_isolated_works_on_one_thread(app: Path, page: Page) -> None:
    """A private window has no service worker, and most hosts send no headers."""
    (app / "sw.js").unlink()
    with hosted(app) as host:
        page.do("open", host.url)
        report = page.self_test()
    assert (report["outcome"], report["threads"]) == ("passed", 1)
    assert report["isolated"] is False


def test_a_host_that_isolates_the_page_needs_no_reload(app: Path, page: Page) -> None:
    (app / "sw.js").unlink()
    with hosted(app, ISOLATED) as host:
        page.do("open", host.url)
        report = page.self_test()
    assert (report["outcome"], report["threads"]) == ("passed", 2)


@pytest.mark.parametrize("tab", ["try", "test", "about"])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_keeps_people_out(tab: str, dark: bool, ready: Path, page: Page) -> None:
    """Colours too faint, fields without names: axe finds what a screen reader's user would."""
    with hosted(ready) as host:
        page.do("dark", dark)
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"
        page.answer("will it rain")
        page.do("click", f"#tab-{tab}")
        found = page.do("axe")
    assert [violation for violation in found if violation[1] in ("serious", "critical")] == []


def test_the_tabs_follow_the_arrow_keys(ready: Path, page: Page) -> None:
    with hosted(ready) as host:
        page.do("open", host.url)
        page.self_test()
        page.do("click", "#tab-try")
        for key, panel in (
            ("Right", "test"),
            ("Right", "about"),
            ("Right", "try"),
            ("Left", "about"),
        ):
            page.do("press", f"Arrow{key}")
            shown = "[...document.querySelectorAll('[role=tabpanel]')].filter((one) => !one.hidden)"
            assert page.do("evaluate", f"{shown}.map((one) => one.id)") == [f"panel-{panel}"]
            assert page.do("evaluate", "document.activeElement.id") == f"tab-{panel}"
