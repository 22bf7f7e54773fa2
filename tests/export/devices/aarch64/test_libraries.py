import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64 import libraries as module
from kdc.export.devices.aarch64.libraries import (
    LIBRARIES,
    PACKAGES,
    can_fetch,
    installed_libraries,
    is_arm64,
    libraries,
)


def _elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, machine) + bytes(44)


def _fill(folder: Path, machine: int = 183) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in LIBRARIES:
        (folder / name).write_bytes(_elf(machine))


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "usr" / "lib"
    monkeypatch.setattr(module, "FOLDERS", (folder,))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return folder


def test_only_arm64_is_arm64(tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    for content, expected in [
        (_elf(183), True),
        (_elf(62), False),
        (b"\x7fELF", False),
        (b"", False),
    ]:
        path.write_bytes(content)
        assert is_arm64(path) is expected
    assert not is_arm64(tmp_path) and not is_arm64(tmp_path / "none")


def test_the_libraries_of_another_processor_are_not_taken(nothing_installed: Path) -> None:
    """/lib64 has the same names on every Linux."""
    _fill(nothing_installed, machine=62)
    assert installed_libraries() is None
    _fill(nothing_installed)
    assert installed_libraries() == {name: nothing_installed / name for name in LIBRARIES}
    (nothing_installed / LIBRARIES[-1]).unlink()
    assert installed_libraries() is None


def test_what_is_missing_is_named(nothing_installed: Path) -> None:
    told = "not installed: run: apt-get install libc6-arm64-cross"
    with pytest.raises(KdcError, match=told), libraries():
        pass


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Stand-ins for Debian's tools: a package is a list of the files in it."""
    unpack = 'out="$3"; while read name; do mkdir -p "$(dirname "$out/$name")"; '
    unpack += 'cp "$2.elf" "$out/$name"; done < "$2"'

    def install(fetch: str) -> None:
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        for name, body in {"apt-get": fetch, "dpkg-deb": unpack}.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / "bin" / name).chmod(0o755)

    return install


def test_debians_packages_are_unpacked_and_not_installed(
    nothing_installed: Path, debian: Callable[[str], None], tmp_path: Path
) -> None:
    """Nobody need be root, and nothing of them stays."""
    (tmp_path / "elf").write_bytes(_elf(183))
    names = " ".join(f"{str(nothing_installed)[1:]}/{name}" for name in LIBRARIES)
    fetch = f'echo "$*" > {tmp_path}/asked; for n in {names}; do echo "$n"; done > all.deb\n'
    debian(fetch + f"cp {tmp_path}/elf all.deb.elf")
    assert can_fetch()
    with libraries() as found:
        assert set(found) == set(LIBRARIES) and all(map(is_arm64, found.values()))
        paths = list(found.values())
    assert not any(path.exists() for path in paths)
    assert (tmp_path / "asked").read_text().split() == ["--quiet", "download", *PACKAGES]


@pytest.mark.parametrize(
    ("fetch", "told"), [("exit 100", "cannot be fetched: run: apt"), ("exit 0", "hold no whole C")]
)
@pytest.mark.usefixtures("nothing_installed")
def test_packages_that_do_not_come_are_told(
    debian: Callable[[str], None], fetch: str, told: str
) -> None:
    debian(fetch)
    with pytest.raises(KdcError, match=told), libraries():
        pass
