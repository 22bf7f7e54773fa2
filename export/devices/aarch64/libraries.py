"""The C and C++ libraries of Linux on arm64 that ONNX Runtime's build stands on."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdc.compress.errors import KdcError

LOADER = "ld-linux-aarch64.so.1"
LIBRARIES = (
    LOADER,
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libstdc++.so.6",
    "libgcc_s.so.1",
)
PACKAGES = ("libc6-arm64-cross", "libstdc++6-arm64-cross", "libgcc-s1-arm64-cross")
INSTALL = f"apt-get install {' '.join(PACKAGES)}"
_CROSS = Path("/usr/aarch64-linux-gnu")
FOLDERS = (
    _CROSS / "lib",  # Debian's cross packages
    _CROSS / "lib64",
    Path("/lib/aarch64-linux-gnu"),  # Debian on arm64, or with arm64 as a second architecture
    Path("/usr/lib/aarch64-linux-gnu"),
    Path("/lib64"),  # others on arm64
    Path("/lib"),
)
"""Where distributions put them."""
_EM_AARCH64 = 183
_TIME_LIMIT = 300.0


@contextmanager
def libraries() -> Iterator[dict[str, Path]]:
    """Yield the file of each of `LIBRARIES`: installed ones, or Debian's fetched for the block.

    Raises:
        KdcError: they are not installed and cannot be fetched.
    """
    found = installed_libraries()
    if found is not None:
        yield found
        return
    if not can_fetch():
        raise KdcError(f"the C library of arm64 is not installed: run: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="kdc-arm64-") as scratch:
        _fetch(Path(scratch))
        fetched = _find([Path(scratch) / folder.relative_to("/") for folder in FOLDERS])
        if fetched is None:
            raise KdcError(f"Debian's packages hold no whole C library of arm64: run: {INSTALL}")
        yield fetched


def installed_libraries() -> dict[str, Path] | None:
    """Return the file of each of `LIBRARIES`, or None where one is not installed."""
    return _find(FOLDERS)


def can_fetch() -> bool:
    """Whether this machine has Debian's tools, which fetch and unpack without installing."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def is_arm64(path: Path) -> bool:
    """Whether a file is a program or library of Linux on arm64 (its ELF header says so)."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return False
    little_64 = head[:6] == b"\x7fELF\x02\x01"
    return little_64 and int.from_bytes(head[18:20], "little") == _EM_AARCH64


def _find(folders: tuple[Path, ...] | list[Path]) -> dict[str, Path] | None:
    found = {}
    for name in LIBRARIES:
        path = next((path for f in folders if is_arm64(path := f / name)), None)
        if path is None:
            return None
        found[name] = path
    return found


def _fetch(folder: Path) -> None:
    """Download and unpack the packages; nothing is installed, so nobody need be root."""
    try:
        _run(["apt-get", "--quiet", "download", *PACKAGES], folder)
        for package in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(folder)], folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise KdcError(
            f"the C library of arm64 is not installed and cannot be fetched: run: {INSTALL}"
        ) from error


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIME_LIMIT,
        check=True,
    )
