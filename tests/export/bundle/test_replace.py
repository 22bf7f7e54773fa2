import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import write_manifest
from kdc.compress.progress import Silent
from kdc.export.bundle import bundle
from kdc.export.bundle.app import App, BundleJob, Content
from kdc.export.bundle.replace import Release, check_update, place_for
from kdc.export.bundle.signing import new_key
from tests.phones import make_phone

Change = Callable[[Path], object]

pytestmark = pytest.mark.usefixtures("some_runtime")


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_phone(tmp_path_factory.mktemp("ready") / "phone")


@pytest.fixture(scope="module")
def ready_project(phone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ready") / "app"
    bundle(BundleJob(phone, "android", out))
    return out


@pytest.fixture
def project(ready_project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ready_project, tmp_path / "proj"))


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


_ACTIVITY = "app/src/main/kotlin/kdc/android/MainActivity.kt"


def _edit(name: str) -> Change:
    return lambda out: (out / name).write_bytes((out / name).read_bytes() + b"\n")


def _git(out: Path) -> None:
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("ref: refs/heads/main\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_edit(_ACTIVITY), rf"holds {_ACTIVITY}, which was changed by hand: choose another"),
        (_edit("app/src/main/assets/manifest.json"), r"assets/manifest\.json, which was changed"),
        (_git, r"holds \.git/HEAD, which is no part of the app: choose another --out or remove it"),
        (lambda out: (out / "link").symlink_to("gradle"), "holds link, which is no part"),
    ],
)
def test_work_on_a_project_is_not_lost(
    change: Change, told: str, phone: Path, project: Path
) -> None:
    """A project is there to be worked on, and its history may lie in it."""
    change(project)
    before = _content(project)
    with pytest.raises(KdcError, match=told) as caught:
        bundle(BundleJob(phone, "android", project))
    assert "\n" not in str(caught.value)
    assert _content(project) == before


@pytest.mark.parametrize(("app", "apk"), [("web", False), ("ios", False), ("android", True)])
def test_another_kind_of_app_is_not_replaced(
    app: str, apk: bool, phone: Path, project: Path
) -> None:
    before = _content(project)
    with pytest.raises(KdcError, match="holds another kind of app: choose another --out"):
        bundle(BundleJob(phone, app, project, apk=apk))
    assert _content(project) == before


def test_what_is_written_while_the_app_is_made_is_not_lost(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check in a browser takes its time, and whoever edits does not wait for it."""
    out = tmp_path / "proj"

    def fill(folder: Path, content: Content, *_: object) -> None:
        (folder / "page").write_text(content.name)
        if out.exists():
            (out / "notes.txt").write_text("mine")

    app = App("for a test", fill, lambda *_: "", {"": "page"})
    monkeypatch.setitem(bundle.__globals__["APPS"], "slow", app)
    bundle(BundleJob(phone, "slow", out, "older"))
    with pytest.raises(KdcError, match=r"holds notes\.txt, which is no part"):
        bundle(BundleJob(phone, "slow", out, "newer"))
    assert (out / "page").read_text() == "older" and (out / "notes.txt").is_file()


def test_what_killed_runs_left_is_cleared_away(phone: Path, project: Path) -> None:
    """Each holds a whole model, under a name that no listing shows."""
    left = project.parent / ".proj.abc_4567.tmp"
    left.mkdir()
    (left / "model").write_bytes(b"x")
    other = project.parent / ".proj2.abc_4567.tmp"
    other.mkdir()
    bundle(BundleJob(phone, "android", project))
    assert not left.exists() and other.exists()


def test_one_run_at_a_time_works_on_a_place(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one would clear the first one's folder away as a leftover."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with place_for(tmp_path / "app", "kdc.app", {}):
        with pytest.raises(KdcError, match="is in use by another run"):
            bundle(BundleJob(phone, "android", tmp_path / "app"))
        other = os.path.join(tmp_path, ".", "app")
        with pytest.raises(KdcError, match="is in use by another run"):
            bundle(BundleJob(phone, "android", Path(other)))
        bundle(BundleJob(phone, "android", tmp_path / "other"))


def _made(phone: Path, out: Path, app: str = "android", **options: Any) -> list[str]:  # noqa: ANN401
    """Bundle, and return what was said."""
    lines: list[str] = []

    class Heard(Silent):
        def say(self, text: str) -> None:
            lines.append(text)

    bundle(BundleJob(phone, app, out, **options), Heard())
    return lines


@pytest.mark.parametrize("app", ["android", "ios"])
def test_an_app_goes_to_no_lower_build(app: str, phone: Path, tmp_path: Path) -> None:
    """Bug: --number 5 over --number 9, and Android installs the new app on no phone."""
    out = tmp_path / "app"
    _made(phone, out, app, number=9)
    before = _content(out)
    told = (
        r"holds build 9 of app\.kdc\.demo, and no phone installs build 5 over it: give a --number"
    )
    with pytest.raises(KdcError, match=f"{told} above 9, choose another --out or remove it"):
        _made(phone, out, app, number=5)
    assert _content(out) == before
    _made(phone, out, app, number=9)
    _made(phone, out, app)  # the time is higher
    _made(phone, out, app, number=5, package="org.example.other")  # another app


def test_a_signed_app_is_not_replaced_by_one_that_takes_any_model(
    phone: Path, tmp_path: Path
) -> None:
    """Bug: --sign forgotten once, and every page that is updated asks for no signature again."""
    pytest.importorskip("cryptography")
    key, other, out = tmp_path / "key.pem", tmp_path / "other.pem", tmp_path / "app"
    for path in (key, other):
        new_key(path)
    _made(phone, out, "web", sign=key, number=9)
    before = _content(out)
    with pytest.raises(KdcError, match=r"takes signed models only, .*: give --sign, choose"):
        _made(phone, out, "web")
    with pytest.raises(KdcError, match="takes signed models only"):
        _made(phone, out, "web", name="Another")
    with pytest.raises(KdcError, match="goes back to number 8: give a --number above 9, choose"):
        _made(phone, out, "web", sign=key, number=8)
    assert _content(out) == before
    assert not any("another key" in line for line in _made(phone, out, "web", sign=key, number=9))
    assert any("another key signs" in line for line in _made(phone, out, "web", sign=other))


def test_an_apk_of_a_makers_key_is_not_replaced_by_one_of_a_debug_key(tmp_path: Path) -> None:
    """Bug: --keystore forgotten once, and the update is refused by every phone that has the app."""
    debug = Release("org.example.demo", 5, None, None, keystore=False)
    own = replace(debug, keystore=True)
    assert check_update(tmp_path, own, apk=True) == []
    write_manifest(tmp_path, "kdc.app/1", asdict(own))
    with pytest.raises(KdcError, match=r"signed with a keystore, and .*: give --keystore, choose"):
        check_update(tmp_path, debug, apk=True)
    assert check_update(tmp_path, own, apk=True) == []
    write_manifest(tmp_path, "kdc.app/1", asdict(debug))
    assert "uninstalled first" in check_update(tmp_path, own, apk=True)[0]
    write_manifest(tmp_path, "kdc.app/1", {"name": "demo"})  # an older kdc noted none of it
    assert check_update(tmp_path, replace(debug, package=None), apk=True) == []
