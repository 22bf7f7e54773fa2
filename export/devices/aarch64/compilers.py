"""C compilers that this machine has: for arm64, and for its own processor."""

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kdc.compress.errors import KdcError

GET_CROSS = "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross, or pip install ziglang"
GET_OWN = "apt-get install gcc libc6-dev, or pip install ziglang"
_TARGET = "aarch64-linux-gnu.2.28"  # the C library that ONNX Runtime's own arm64 build asks for
_TIME_LIMIT = 300.0  # seconds; zig makes its own start files at the first call


@dataclass(frozen=True)
class Compiler:
    """A compiler, called like gcc."""

    command: tuple[str, ...]
    version: str
    """What it says of itself, in one line."""

    def build(self, sources: Sequence[Path], out: Path, options: Sequence[str]) -> None:
        """Compile and link.

        Raises:
            KdcError: the compiler refuses, with its first complaint, or hangs.
        """
        names = [str(source) for source in sources]
        command = [*self.command, "-std=c11", "-O2", "-o", str(out), *names, *options]
        done = _said(command, _TIME_LIMIT)
        if done is None or done.returncode or not out.is_file():
            lines = [] if done is None else done.stderr.splitlines()
            first = next((line for line in lines if "error" in line.lower()), "it gave no reason")
            raise KdcError(
                f"{self.version} cannot compile {sources[0].name} ({first.strip()[:200]})"
            )


def cross_compiler() -> Compiler | None:
    """Return a compiler for Linux on arm64, or None: GCC's with its C library, or zig's."""
    names = ["aarch64-linux-gnu-gcc"]
    if platform.machine() in ("aarch64", "arm64"):
        names += ["cc", "gcc", "clang"]
    return _first(names) or _zig("-target", _TARGET)


def own_compiler() -> Compiler | None:
    """Return a compiler for this machine's own processor, or None."""
    return _first(["cc", "gcc", "clang"]) or _zig()


def _first(names: Sequence[str]) -> Compiler | None:
    return next((found for name in names if (found := _find(name))), None)


def _find(name: str) -> Compiler | None:
    path = shutil.which(name)
    # a compiler can be installed without the C library's headers and start files
    start = path and _said([path, "-print-file-name=crt1.o"])
    if not path or not start or not Path(start.stdout.strip()).is_absolute():
        return None
    said = _said([path, "--version"])
    lines = said.stdout.splitlines() if said else []
    return Compiler((path,), lines[0] if lines else name)


def _zig(*options: str) -> Compiler | None:
    """Find zig as a package of this Python or as a program; its parts come along with it."""
    try:
        if importlib.util.find_spec("ziglang"):
            command = (sys.executable, "-P", "-m", "ziglang", "cc", *options)
            return Compiler(command, f"zig {version('ziglang')}")
    except (ImportError, ValueError, PackageNotFoundError):
        pass  # half removed: as good as not there
    path = shutil.which("zig")
    said = path and _said([path, "version"])
    return Compiler((path, "cc", *options), f"zig {said.stdout.strip()}") if path and said else None


def _said(command: Sequence[str], seconds: float = 20.0) -> subprocess.CompletedProcess[str] | None:
    """Run a program; None where it cannot be run or hangs."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
