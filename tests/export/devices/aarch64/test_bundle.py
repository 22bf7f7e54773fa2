"""How the bundle is made and kept; the compiler, the wheel and the libraries are stand-ins."""

from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import read_manifest, sha256
from kdc.compress.progress import Silent
from kdc.export.devices.aarch64 import bundle
from kdc.export.devices.aarch64.bundle import FORMAT, runner_bundle, runtime_version, start_command
from kdc.export.devices.aarch64.compilers import Compiler
from kdc.export.devices.aarch64.libraries import LIBRARIES


class Workshop:
    """Counts what is made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.fetched = folder, 0
        self.compiler: Compiler | None = Compiler(("/bin/sh", str(folder / "cc")), "cc 1")
        (folder / "cc").write_text('while [ "$1" != -o ]; do shift; done; echo built > "$2"\n')
        self.libraries = {name: folder / name for name in LIBRARIES}
        for name, path in self.libraries.items():
            path.write_text(name)

    def fetch(self, version: str, out: Path) -> dict[str, str]:
        """Stand in for pip."""
        self.fetched += 1
        out.write_text(f"runtime {version}")
        return {"wheel": "w.whl", "sha256": "0" * 64}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    made = Workshop(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bundle, "cross_compiler", lambda: made.compiler)
    monkeypatch.setattr(bundle, "installed_libraries", lambda: made.libraries)
    monkeypatch.setattr(
        "kdc.export.devices.aarch64.libraries.installed_libraries", lambda: made.libraries
    )
    monkeypatch.setattr(bundle, "fetch_runtime", made.fetch)
    return made


def test_it_is_made_once(workshop: Workshop) -> None:
    folder = runner_bundle()
    assert runner_bundle(Silent()) == folder and workshop.fetched == 1
    manifest = read_manifest(folder, FORMAT, "arm64 runner")
    assert set(manifest["files"]) == {"runner", "libonnxruntime.so", *LIBRARIES}
    assert manifest["files"]["libc.so.6"]["sha256"] == sha256(workshop.folder / "libc.so.6")
    assert manifest["onnxruntime"] == runtime_version()
    assert (folder / "libonnxruntime.so").read_text() == f"runtime {runtime_version()}"
    for name in ("runner", "ld-linux-aarch64.so.1"):
        assert (folder / name).stat().st_mode & 0o111


@pytest.mark.parametrize("damage", ["cut", "gone", "manifest", "empty"])
def test_a_damaged_one_is_made_again(workshop: Workshop, damage: str) -> None:
    """A full disk or a killed process would leave the device broken for good."""
    folder = runner_bundle()
    if damage == "cut":
        (folder / "libonnxruntime.so").write_text("runt")
    elif damage == "gone":
        (folder / "libm.so.6").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        for path in folder.iterdir():
            path.unlink()
    assert runner_bundle() == folder and workshop.fetched == 2
    assert read_manifest(folder, FORMAT, "arm64 runner")


def test_another_compiler_runtime_or_library_makes_another(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale runner would measure another version of ONNX Runtime than the host's."""
    folders = [runner_bundle()]
    workshop.compiler = Compiler(("/bin/sh", str(workshop.folder / "cc")), "cc 2")
    folders.append(runner_bundle())
    (workshop.folder / "libc.so.6").write_text("newer")
    folders.append(runner_bundle())
    monkeypatch.setattr(bundle, "runtime_version", lambda: "9.9.9")
    folders.append(runner_bundle())
    assert len(set(folders)) == 4 and folders[-1].name.startswith("arm64-9.9.9-")


def test_nothing_is_kept_of_one_that_could_not_be_made(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(version: str, out: Path) -> dict[str, str]:
        raise KdcError("no wheel")

    monkeypatch.setattr(bundle, "fetch_runtime", fail)
    with pytest.raises(KdcError, match="no wheel"):
        runner_bundle()
    kept = [path for path in (workshop.folder / "cache" / "kdc").iterdir() if path.is_dir()]
    assert kept == []


def test_a_machine_without_a_compiler_is_told_both_ways(workshop: Workshop) -> None:
    workshop.compiler = None
    with pytest.raises(KdcError, match=r"run: apt-get .*gcc-aarch64-linux-gnu.* pip install zig"):
        runner_bundle()


def test_it_is_started_by_its_own_loader() -> None:
    """A phone has no /lib to look in."""
    assert start_command(".", "job") == [
        "./ld-linux-aarch64.so.1",
        "--library-path",
        ".",
        "./runner",
        "./libonnxruntime.so",
        "job",
    ]
