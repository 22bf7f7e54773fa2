import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export import bundle as module
from kdc.export.bundle import APPS, bundle

MakePhone = Callable[[Path], Path]
MODEL = "onnx/model_quantized.onnx"


@pytest.fixture
def phone(make_phone: MakePhone, tmp_path: Path) -> Path:
    return make_phone(tmp_path / "phone")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_app_holds_the_phone_folder_byte_for_byte(phone: Path, tmp_path: Path) -> None:
    """A model that was cut short or re-encoded on the way would ship."""
    bundle(phone, "web", tmp_path / "app")
    for path in phone.rglob("*"):
        if path.is_file():
            copy = tmp_path / "app" / "assets" / path.relative_to(phone)
            assert copy.read_bytes() == path.read_bytes()
    manifest = json.loads((tmp_path / "app" / "manifest.json").read_text())
    assert manifest["format"] == "kdc.app/1"
    assert manifest["parent"]["sha256"] == sha256(phone / "manifest.json")
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == sha256(tmp_path / "app" / name)


def test_files_that_no_digest_covers_stay_behind(phone: Path, tmp_path: Path) -> None:
    (phone / "notes.txt").write_text("private")
    bundle(phone, "web", tmp_path / "app")
    assert not (tmp_path / "app" / "assets" / "notes.txt").exists()


def test_a_corrupted_model_is_refused_by_name(phone: Path, tmp_path: Path) -> None:
    data = bytearray((phone / MODEL).read_bytes())
    data[77] ^= 1
    (phone / MODEL).write_bytes(data)
    with pytest.raises(KdcError, match=re.escape(MODEL)):
        bundle(phone, "web", tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_a_copy_that_differs_is_refused(
    phone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checking before the copy alone would let a fault of the copy itself ship."""

    def faulty(source: Path, target: Path) -> None:
        data = bytearray(source.read_bytes())
        data[0] ^= int(source.name == "vocab.txt")
        target.write_bytes(data)

    monkeypatch.setattr(module.shutil, "copyfile", faulty)
    with pytest.raises(KdcError, match=r"vocab\.txt changed while it was copied"):
        bundle(phone, "web", tmp_path / "app")
    assert [path.name for path in tmp_path.iterdir()] == ["phone"]


def test_an_older_app_is_replaced_and_anything_else_is_left_alone(
    phone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "app"
    bundle(phone, "web", out)
    (out / "stale.js").write_text("old")
    bundle(phone, "web", out)
    assert not (out / "stale.js").exists()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(KdcError, match="holds something else"):
        bundle(phone, "web", tmp_path / "home")
    assert (tmp_path / "home" / "thesis.txt").read_text() == "mine"


def test_an_unknown_app_names_the_near_ones(phone: Path, tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="unknown app 'wep': did you mean web"):
        bundle(phone, "wep", tmp_path / "app")


def test_sizes_are_those_of_a_zip(phone: Path, tmp_path: Path) -> None:
    parts = bundle(phone, "web", tmp_path / "app")
    with zipfile.ZipFile(tmp_path / "app.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "app").rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "app"))
        infos = archive.infolist()
    assert sum(part.bytes for part in parts) == sum(info.file_size for info in infos)
    assert sum(part.zip_bytes for part in parts) == sum(info.compress_size for info in infos)
    model = next(part for part in parts if part.name == "model")
    assert model.bytes == (phone / MODEL).stat().st_size


@pytest.mark.parametrize("app", APPS)
def test_a_page_needs_nothing_but_itself(app: str, root: Path) -> None:
    """A font or script from elsewhere would break the page offline and tell others of its use."""
    folder = root / "sample_apps" / app
    page = (folder / "index.html").read_text()
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert name.startswith("data:") or (folder / name).is_file()
    for path in folder.rglob("*"):
        if path.is_file():
            assert re.findall(r"https?://(?!localhost)[\w.]+", path.read_text()) == []


def test_the_script_finds_every_element_it_fills(root: Path) -> None:
    """An id that was renamed in the page alone would stop the page with an exception."""
    folder = root / "sample_apps" / "web"
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', (folder / "app.js").read_text()))
    there = set(re.findall(r'id="([\w-]+)"', (folder / "index.html").read_text()))
    assert wanted
    assert wanted <= there


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    server = subprocess.Popen(
        [*command, "--directory", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://localhost:{port}/"
    finally:
        server.kill()
        server.wait()


def seen(url: str, profile: Path) -> str:
    """What a browser makes of the page, as HTML."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium is installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command = [browser, *options, "--virtual-time-budget=10000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.device
def test_the_page_shows_an_intact_model_and_refuses_a_changed_one(
    phone: Path, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    bundle(phone, "web", app)
    with served(app) as url:
        page = seen(url, tmp_path / "profile")
        assert "All 7 files are intact" in page
        assert "wake me" in page
        (app / "assets" / "vocab.txt").write_text("[PAD]\n[UNX]\n")
        page = seen(url, tmp_path / "profile")
    assert "Refused: assets/vocab.txt does not match its sha256" in page
    assert "wake me" not in page
    page = seen((app / "index.html").as_uri(), tmp_path / "profile")
    assert "a browser does not let a page opened from a file read its model" in page
