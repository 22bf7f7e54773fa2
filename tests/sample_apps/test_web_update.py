"""The web app and newer models: taken when they are signed, whole and work; refused otherwise."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from tests.phones import TEXTS
from tests.web_page import NEWER, Page, change_model, hosted, put_model, sign_model

pytestmark = pytest.mark.device


def offered(page: Page) -> str:
    """Open the page again and return what it says of newer models."""
    page.do("reload")
    page.do("wait", '!document.getElementById("update").hidden')
    return str(page.do("text", "#update span"))


def take(page: Page) -> dict[str, object]:
    """Press the button of what is offered and return the next page's report."""
    page.do("evaluate", "globalThis.before = true")
    page.do("click", "#update button")
    page.do("wait", "globalThis.before !== true")
    return page.self_test()


def take_newer(app: Path, newer: Path, page: Page, url: str) -> str:
    """Open an app, let it take a newer model, and return that model's digest."""
    page.do("open", url)
    page.self_test()
    put_model(app, newer)
    assert offered(page) == "A newer model is here."
    return str(take(page)["digest"])


def test_a_newer_model_is_taken_without_a_newer_app(
    signed: Path, releases: Path, page: Page
) -> None:
    with hosted(signed) as host:
        page.do("open", host.url)
        first = page.self_test()["digest"]
        put_model(signed, releases / "newer")
        assert offered(page) == "A newer model is here."
        assert page.self_test()["digest"] == first  # what is kept answers at once
        report = take(page)
    assert report["outcome"] == "passed" and report["digest"] != first
    page.do("offline", True)
    page.do("open", host.url)
    assert page.self_test()["digest"] == report["digest"]
    assert page.answer(TEXTS[0]) in NEWER


def test_a_newer_model_is_seen_on_hosts_that_know_times_alone(
    signed: Path, releases: Path, page: Page
) -> None:
    """Files that are older than those they replace are not modified, to such hosts."""
    with hosted(signed) as host:
        page.do("open", host.url)
        page.self_test()
        put_model(signed, releases / "newer")
        for path in (signed / "assets").rglob("*"):
            os.utime(path, (1e9, 1e9))
        assert offered(page) == "A newer model is here."


@pytest.mark.parametrize("damage", ["foreign", "half", "tokenizer", "answers"])
def test_a_newer_model_that_fails_its_checks_changes_nothing(
    damage: str, signed: Path, releases: Path, key: Path, page: Page
) -> None:
    """One that was cut short, was another's or cannot be opened would cost the working model.

    The one that cannot be opened would do so for good: it is kept, and nothing newer is looked
    for before it is open.
    """
    assets = signed / "assets"
    with hosted(signed) as host:
        page.do("open", host.url)
        first = page.self_test()["digest"]
        put_model(signed, releases / "newer")
        if damage == "foreign":
            sign_model(signed, key.with_name("other.pem"), 300)
        elif damage == "half":
            (assets / "vocab.txt").write_text("[PAD]\n")
        else:
            spoil(signed, damage)
            sign_model(signed, key, 300)
        told = offered(page)
        page.do("reload")
        report = page.self_test()
        assert (report["outcome"], report["digest"]) == ("passed", first)
        put_model(signed, releases / "newer")
        assert offered(page) == "A newer model is here."
    wanted = {
        "foreign": "assets/manifest.json is not signed with this app's key",
        "half": "assets/vocab.txt does not match its sha256",
        "tokenizer": "tokenizer.json is no WordPiece tokenizer",
        "answers": "it does not pass its self-test on this device",
    }
    assert told.startswith(f"Another model was offered and refused: {wanted[damage]}")


def spoil(app: Path, what: str) -> None:
    """Make a whole model one that no page can open, or one that answers otherwise than it must."""
    if what == "tokenizer":
        change_model(app, {"tokenizer.json": json.dumps({"model": {"type": "Unigram"}})})
        return
    golden = json.loads((app / "assets" / "golden.json").read_text())
    golden["input_ids"][1][1] += 1
    change_model(app, {"golden.json": json.dumps(golden)})


def test_a_kept_model_that_cannot_be_opened_gives_way(
    signed: Path, releases: Path, key: Path, page: Page
) -> None:
    """An update of the browser may refuse what it opened before: only another model helps."""
    keep = """(async () => {
      const cache = await caches.open((await caches.keys()).find((one) => one.includes(" model ")));
      for (const { url } of await cache.keys()) {
        await cache.put(url, await fetch(url, { cache: "reload" }));
      }
    })()"""
    with hosted(signed) as host:
        page.do("open", host.url)
        page.self_test()
        spoil(signed, "tokenizer")
        sign_model(signed, key, 110)
        page.do("evaluate", keep)
        page.do("reload")
        report = page.self_test()
        assert report["outcome"] == "refused"
        assert str(report["sentence"]).startswith("tokenizer.json is no WordPiece tokenizer")
        put_model(signed, releases / "newer")
        page.do("reload")
        assert page.self_test()["outcome"] == "passed"
    page.do("offline", True)
    page.do("open", host.url)
    assert page.answer(TEXTS[0]) in NEWER


def test_an_older_model_does_not_come_back(
    signed: Path, releases: Path, key: Path, page: Page
) -> None:
    """The one that was replaced is signed as well: whoever runs the host could undo the fix."""
    with hosted(signed) as host:
        newer = take_newer(signed, releases / "newer", page, host.url)
        put_model(signed, releases / "signed")
        sign_model(signed, key, 199)
        told = offered(page)
        page.do("reload")
        assert page.self_test()["digest"] == newer
    older = "assets/manifest.json is of an older model, number 199, and this app has number 200"
    assert told == f"Another model was offered and refused: {older}."


def test_an_app_without_a_key_takes_a_model_with_a_release_alone(
    releases: Path, tmp_path: Path, page: Page
) -> None:
    """Nothing tells whose a model is that comes without the app."""
    app = Path(shutil.copytree(releases / "plain", tmp_path / "app"))
    bundle(BundleJob(releases / "new", "web", tmp_path / "next", "Kitchen"))
    with hosted(app) as host:
        page.do("open", host.url)
        first = page.self_test()["digest"]
        put_model(app, releases / "newer")
        page.do("reload")
        page.self_test()
        page.do("wait", 'document.getElementById("card").textContent !== ""')
        page.do("evaluate", "new Promise((resolve) => setTimeout(resolve, 1000))")
        assert page.do("evaluate", 'document.getElementById("update").hidden') is True
        shutil.copytree(tmp_path / "next", app, dirs_exist_ok=True)
        assert offered(page) == "A newer version is here."
        report = take(page)
        assert report["outcome"] == "passed" and report["digest"] != first
        assert page.answer(TEXTS[0]) in NEWER


@pytest.mark.parametrize("sign", [False, True])
def test_a_newer_app_works_with_the_kept_model_until_its_own_is_there(
    sign: bool, releases: Path, key: Path, tmp_path: Path, page: Page
) -> None:
    """Bug: a page that was updated, and then had no network, refused the model that was here."""
    old = releases / ("signed" if sign else "plain")
    app = Path(shutil.copytree(old, tmp_path / "app"))
    job = BundleJob(releases / "new", "web", tmp_path / "next", "Better kitchen")
    bundle(replace(job, sign=key, number=200) if sign else job)
    with hosted(app) as host:
        page.do("open", host.url)
        first = page.self_test()["digest"]
        page.do("reload")
        page.self_test()
        shutil.copytree(tmp_path / "next", app, dirs_exist_ok=True)
        model = next((app / "assets" / "onnx").iterdir())
        model.rename(tmp_path / "model")  # the network breaks before all of it is there
        offered(page)  # of a signed model, that it is refused, before the page's or after it
        said = 'document.querySelector("#update span").textContent'
        page.do("wait", f'{said} === "A newer version is here."')
        report = take(page)
        assert page.do("text", "h1") == "Better kitchen"
        assert (report["outcome"], report["digest"]) == ("passed", first)
        page.do("offline", True)
        page.do("open", host.url)
        assert page.self_test()["digest"] == first
        page.do("offline", False)
        (tmp_path / "model").rename(model)
        page.do("open", host.url)
        assert page.self_test()["digest"] != first
        assert page.answer(TEXTS[0]) in NEWER


def test_a_newer_app_takes_over_when_it_is_whole(signed: Path, releases: Path, page: Page) -> None:
    """A page of one version that loads scripts of another fails in ways nobody can repeat."""
    with hosted(signed) as host:
        page.do("open", host.url)
        page.self_test()
        page.do("reload")
        page.self_test()
        following = signed.parent / "next"
        bundle(BundleJob(releases / "phone", "web", following, "Better kitchen"))
        for name in ("vendor", "assets"):
            shutil.rmtree(signed / name)
        shutil.copytree(following, signed, dirs_exist_ok=True)
        whole = (signed / "views.js").read_text()
        (signed / "views.js").write_text(whole + "//")  # still being uploaded
        page.do("reload")
        page.self_test()
        page.do(
            "evaluate", "navigator.serviceWorker.ready.then((one) => one.update()).catch(() => 0)"
        )
        assert page.do("text", "h1") == "Kitchen"
        (signed / "views.js").write_text(whole)
        assert offered(page) == "A newer version is here."
        assert page.do("text", "h1") == "Kitchen"
        page.do("click", "#update button")
        page.do("wait", 'document.querySelector("h1")?.textContent === "Better kitchen"')
        assert page.self_test()["outcome"] == "passed"
