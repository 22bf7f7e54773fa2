"""The web app and the signature of its model: whose it is, and which of two is the newer."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.phones import LABELS
from tests.web_page import ISOLATED, Page, change_model, hosted, sign_model

pytestmark = pytest.mark.device
FORGED = "assets/manifest.json is not signed with this app's key: it was changed, or is another's"


def refused(page: Page, url: str) -> str:
    page.do("open", url)
    report = page.self_test()
    assert report["outcome"] == "refused", report
    return str(report["sentence"])


def test_a_signed_model_is_taken(signed: Path, page: Page) -> None:
    with hosted(signed) as host:
        page.do("open", host.url)
        assert page.self_test()["outcome"] == "passed"
        page.do("click", "#tab-about")
        assert "checked with this app's key" in page.do("text", "#facts")


def test_a_tampered_manifest_is_refused(signed: Path, page: Page) -> None:
    """Digests alone are no help: whoever changes a file changes its digest too."""
    change_model(signed, {}, labels=list(reversed(LABELS)))
    with hosted(signed) as host:
        assert refused(page, host.url) == FORGED


def _envelope(app: Path, **changes: object) -> None:
    path = app / "assets" / "manifest.json.sig"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_number_that_was_not_signed_is_refused(signed: Path, page: Page) -> None:
    """Whoever runs the host could bring any old model back under a higher number."""
    _envelope(signed, number=101)
    with hosted(signed) as host:
        assert refused(page, host.url) == FORGED


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"signature": base64.b64encode(bytes(64)).decode()}, FORGED),
        (
            {"signature": base64.b64encode(bytes(63)).decode()},
            "assets/manifest.json.sig is damaged",
        ),
        ({"signature": "%"}, "assets/manifest.json.sig is damaged"),
        ({"signature": None}, "assets/manifest.json.sig is damaged"),
        ({"number": 0}, "assets/manifest.json.sig is damaged"),
        ({"number": 2**53}, "assets/manifest.json.sig is damaged"),
        ({"number": "100"}, "assets/manifest.json.sig is damaged"),
        ({"format": None}, "assets/manifest.json.sig is not of format kdc.signature/1"),
    ],
    ids=str,
)
def test_a_wrong_signature_is_refused(
    changes: dict[str, Any], told: str, signed: Path, page: Page
) -> None:
    _envelope(signed, **changes)
    with hosted(signed) as host:
        assert refused(page, host.url) == told


def test_a_signature_of_the_bare_manifest_is_refused(signed: Path, page: Page) -> None:
    (signed / "assets" / "manifest.json.sig").write_bytes(bytes(64))
    with hosted(signed) as host:
        assert refused(page, host.url) == "assets/manifest.json.sig is not valid JSON"


def test_a_missing_signature_is_refused(signed: Path, page: Page) -> None:
    (signed / "assets" / "manifest.json.sig").unlink()
    with hosted(signed) as host:
        told = refused(page, host.url)
    assert told == "assets/manifest.json is not signed, and this app takes signed models only"


def test_an_older_model_than_the_apps_is_refused(signed: Path, key: Path, page: Page) -> None:
    """A model that its maker has replaced stays signed for ever."""
    sign_model(signed, key, 99)
    told = "assets/manifest.json is of an older model, number 99, and this app has number 100"
    with hosted(signed) as host:
        assert refused(page, host.url) == told


@pytest.mark.parametrize(
    "changes",
    [{"name": "mails"}, {"pair": True}, {"kind": "multi-label"}, {"labels": [*LABELS, "more"]}],
    ids=str,
)
def test_a_model_for_another_task_is_refused(
    changes: dict[str, object], signed: Path, key: Path, page: Page
) -> None:
    """One key may sign for several apps, and their hosts could swap the models."""
    manifest = json.loads((signed / "assets" / "manifest.json").read_text())
    change_model(signed, {}, task=manifest["task"] | changes)
    sign_model(signed, key, 101)
    name = changes.get("name", "demo")
    told = f"the model is for another task than this app: {name}, and the app's is demo"
    with hosted(signed) as host:
        assert refused(page, host.url) == told


@pytest.mark.parametrize("tampered", [False, True])
def test_a_browser_without_ed25519_checks_signatures_too(
    tampered: bool, signed: Path, page: Page
) -> None:
    """Chromium has it from 137 on, and Android's WebView is older on many phones."""
    worker = signed / "worker.js"
    old = 'crypto.subtle.importKey = async () => { throw new Error("unknown"); };'
    worker.write_text(re.sub(r"\n\nconst RUNTIME", f"\n\n{old}\nconst RUNTIME", worker.read_text()))
    assert old in worker.read_text()
    if tampered:
        _envelope(signed, number=101)
    with hosted(signed, ISOLATED) as host:
        if tampered:
            assert refused(page, host.url) == FORGED
        else:
            page.do("open", host.url)
            assert page.self_test()["outcome"] == "passed"
