"""The web app and newer models: taken when they are signed and whole, refused otherwise."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from tests.phones import LABELS, TEXTS, make_phone
from tests.web_page import Page, browsing, hosted, require_runtime

pytestmark = pytest.mark.device
NEWER = ("alarm", "forecast", "song")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key of this app's, and another's beside it."""
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization as forms

    folder = tmp_path_factory.mktemp("keys")
    for name in ("key.pem", "other.pem"):
        private = ed25519.Ed25519PrivateKey.generate()
        pem, pkcs8, none = forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
        (folder / name).write_bytes(private.private_bytes(pem, pkcs8, none))
        (folder / name).chmod(0o600)
    return folder / "key.pem"


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """A signed app; one with a newer model, signed with the same key; one signed with another."""
    require_runtime()
    folder = tmp_path_factory.mktemp("apps")
    make_phone(folder / "phone")
    make_phone(folder / "new", labels=NEWER)
    for name, phone, sign in (
        ("app", "phone", key),
        ("newer", "new", key),
        ("foreign", "new", key.with_name("other.pem")),
    ):
        bundle(BundleJob(folder / phone, "web", folder / name, "Kitchen", sign))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with browsing() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    browser.do("fresh")
    return browser


@pytest.fixture
def app(apps: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(apps / "app", tmp_path / "app"))


def put_model(app: Path, other: Path) -> None:
    """Lay another model's files over an app's, as whoever runs its host does; app.json stays."""
    config = (app / "assets" / "app.json").read_bytes()
    shutil.rmtree(app / "assets")
    shutil.copytree(other / "assets", app / "assets")
    (app / "assets" / "app.json").write_bytes(config)


def refused(page: Page, url: str) -> str:
    page.do("open", url)
    report = page.self_test()
    assert report["outcome"] == "refused", report
    return str(report["sentence"])


def test_a_signed_model_is_taken(app: Path, page: Page) -> None:
    with hosted(app) as host:
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"
        page.do("click", "#tab-about")
        assert "checked with this app's key" in page.do("text", "#facts")


def test_a_tampered_manifest_is_refused(app: Path, page: Page) -> None:
    """Digests alone are no help: whoever changes a file changes its digest too."""
    path = app / "assets" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["labels"] = manifest["task"]["labels"] = list(reversed(LABELS))
    path.write_text(json.dumps(manifest))
    with hosted(app) as host:
        told = refused(page, host.url)
    assert told == (
        "assets/manifest.json is not signed with this app's key: it was changed, or is another's"
    )


@pytest.mark.parametrize("length", [0, 63, 64])
def test_a_wrong_signature_is_refused(length: int, app: Path, page: Page) -> None:
    (app / "assets" / "manifest.json.sig").write_bytes(bytes(length))
    with hosted(app) as host:
        assert "is not signed with this app's key" in refused(page, host.url)


def test_a_missing_signature_is_refused(app: Path, page: Page) -> None:
    (app / "assets" / "manifest.json.sig").unlink()
    with hosted(app) as host:
        told = refused(page, host.url)
    assert told == "assets/manifest.json is not signed, and this app takes signed models only"


def test_a_newer_model_is_taken_without_a_newer_app(app: Path, apps: Path, page: Page) -> None:
    with hosted(app) as host:
        page.do("open", host.url)
        first = page.self_test()["digest"]
        put_model(app, apps / "newer")
        page.do("reload")
        assert page.self_test()["digest"] == first  # what is kept answers at once
        page.do("wait", '!document.getElementById("update").hidden')
        assert str(page.do("text", "#update")).startswith("A newer model is here.")
        page.do("evaluate", "globalThis.before = true")
        page.do("click", "#update button")
        page.do("wait", "globalThis.before !== true")
        report = page.self_test()
    assert report["outcome"] == "passed" and report["digest"] != first
    page.do("offline", True)
    page.do("open", host.url)
    assert page.self_test()["digest"] == report["digest"]
    assert page.answer(TEXTS[0]) in NEWER


@pytest.mark.parametrize("damage", ["foreign", "half"])
def test_a_newer_model_that_fails_its_checks_changes_nothing(
    damage: str, app: Path, apps: Path, page: Page
) -> None:
    """An update that was cut short, or was another's, would cost the user the working model."""
    with hosted(app) as host:
        page.do("open", host.url)
        first = page.self_test()["digest"]
        put_model(app, apps / ("foreign" if damage == "foreign" else "newer"))
        if damage == "half":
            (app / "assets" / "vocab.txt").write_text("[PAD]\n")
        page.do("reload")
        page.do("wait", '!document.getElementById("update").hidden')
        told = str(page.do("text", "#update span"))
        page.do("reload")
        report = page.self_test()
    wanted = {
        "foreign": "assets/manifest.json is not signed with this app's key",
        "half": "assets/vocab.txt does not match its sha256",
    }
    assert told.startswith(f"A newer model was offered and refused: {wanted[damage]}")
    assert (report["outcome"], report["digest"]) == ("passed", first)


def test_a_newer_app_takes_over_when_it_is_whole(app: Path, apps: Path, page: Page) -> None:
    """A page of one version that loads scripts of another fails in ways nobody can repeat."""
    with hosted(app) as host:
        page.do("open", host.url)
        page.self_test()
        page.do("reload")
        page.self_test()
        bundle(BundleJob(apps / "phone", "web", app.parent / "next", "Better kitchen"))
        for name in ("vendor", "assets"):
            shutil.rmtree(app / name)
        shutil.copytree(app.parent / "next", app, dirs_exist_ok=True)
        whole = (app / "views.js").read_text()
        (app / "views.js").write_text(whole + "//")  # still being uploaded
        page.do("reload")
        page.self_test()
        page.do(
            "evaluate", "navigator.serviceWorker.ready.then((one) => one.update()).catch(() => 0)"
        )
        assert page.do("text", "h1") == "Kitchen"
        (app / "views.js").write_text(whole)
        page.do("reload")
        page.do("wait", '!document.getElementById("update").hidden')
        assert page.do("text", "h1") == "Kitchen"
        page.do("click", "#update button")
        page.do("wait", 'document.querySelector("h1")?.textContent === "Better kitchen"')
        assert page.self_test()["outcome"] == "passed"
