"""A web app around a real model, and a browser to open it in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from tests.phones import make_phone
from tests.web_page import NEWER, Page, browsing, require_runtime


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app, made once; tests that change it copy it first."""
    require_runtime()
    folder = tmp_path_factory.mktemp("web")
    make_phone(folder / "phone")
    bundle(BundleJob(folder / "phone", "web", folder / "app", "Kitchen helper"))
    return folder / "app"


@pytest.fixture
def app(ready: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready, tmp_path / "app"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    with browsing() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    """A page in a browser that knows nothing of the tests before."""
    browser.do("fresh")
    return browser


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key of an app's maker, and another's, other.pem, beside it."""
    pytest.importorskip("cryptography")
    from kdc.export.bundle.signing import new_key

    folder = tmp_path_factory.mktemp("keys")
    for name in ("key.pem", "other.pem"):
        new_key(folder / name)
    return folder / "key.pem"


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """Apps: `signed`, number 100; `newer`, another model of the same key, number 200; `plain`."""
    require_runtime()
    folder = tmp_path_factory.mktemp("releases")
    make_phone(folder / "phone")
    make_phone(folder / "new", labels=NEWER)
    for name, phone, sign, number in (
        ("signed", "phone", key, 100),
        ("newer", "new", key, 200),
        ("plain", "phone", None, None),
    ):
        bundle(BundleJob(folder / phone, "web", folder / name, "Kitchen", sign, number=number))
    return folder


@pytest.fixture
def signed(releases: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(releases / "signed", tmp_path / "signed"))
