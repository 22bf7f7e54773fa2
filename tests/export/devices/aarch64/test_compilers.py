import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64.compilers import Compiler, cross_compiler, own_compiler


def _program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_zig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_zig")
def test_an_empty_path_has_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cross_compiler() is None and own_compiler() is None


@pytest.mark.usefixtures("no_zig")
def test_a_compiler_without_a_c_library_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian installs GCC without headers where recommended packages are left out."""
    bare = _program(tmp_path / "aarch64-linux-gnu-gcc", 'case "$1" in -print*) echo crt1.o;; esac')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cross_compiler() is None
    _program(bare, 'case "$1" in -print*) echo /lib/crt1.o;; *) echo "gcc 12"; echo more;; esac')
    assert cross_compiler() == Compiler((str(bare),), "gcc 12")


@pytest.mark.parametrize("body", ["exit 1", "kill -9 $$", "printf '\\377\\376'"])
@pytest.mark.usefixtures("no_zig")
def test_a_broken_compiler_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    for name in ("cc", "gcc", "clang", "zig", "aarch64-linux-gnu-gcc"):
        _program(tmp_path / name, body)
    monkeypatch.setenv("PATH", str(tmp_path))
    for found in (cross_compiler(), own_compiler()):
        assert found is None or "zig" in found.version


def test_zig_as_a_package_is_a_compiler_for_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the one compiler that pip brings; its target names the C library that will do."""
    package = tmp_path / "ziglang"
    package.mkdir()
    (package / "__init__.py").write_text("")
    information = tmp_path / "ziglang-0.15.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ziglang\nVersion: 0.15.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    cross, own = cross_compiler(), own_compiler()
    assert cross and own and cross.version == own.version == "zig 0.15.1"
    assert own.command == (sys.executable, "-P", "-m", "ziglang", "cc")
    assert cross.command == (*own.command, "-target", "aarch64-linux-gnu.2.28")


def test_what_the_compiler_refuses_is_told_in_one_sentence(tmp_path: Path) -> None:
    compiler = Compiler((str(_program(tmp_path / "cc", "echo noise >&2; exit 1")),), "cc 1")
    with pytest.raises(KdcError, match=r"^cc 1 cannot compile a\.c \(it gave no reason\)$"):
        compiler.build([Path("a.c")], tmp_path / "out", [])
    body = "echo note >&2; echo 'a.c:1: fatal error: errno.h: none' >&2; exit 1"
    compiler = Compiler((str(_program(tmp_path / "cc", body)),), "cc 1")
    with pytest.raises(KdcError, match=r"a\.c \(a\.c:1: fatal error: errno\.h: none\)$"):
        compiler.build([Path("a.c")], tmp_path / "out", [])


def test_a_compiler_that_writes_nothing_has_failed(tmp_path: Path) -> None:
    compiler = Compiler((str(_program(tmp_path / "cc", "exit 0")),), "cc 1")
    with pytest.raises(KdcError, match="cannot compile"):
        compiler.build([Path("a.c")], tmp_path / "out", [])


def test_a_program_is_built(tmp_path: Path) -> None:
    compiler = own_compiler()
    if compiler is None:
        pytest.skip("no C compiler")
    source = tmp_path / "a.c"
    source.write_text("int main(void) { return 7; }\n")
    compiler.build([source], tmp_path / "a", [])
    assert subprocess.run([str(tmp_path / "a")]).returncode == 7
