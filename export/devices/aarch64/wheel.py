"""ONNX Runtime's own arm64 library, out of the wheel that its makers publish."""

import re
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256

_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64")
_LIBRARY = re.compile(r"onnxruntime/capi/libonnxruntime\.so[0-9.]*")
_MOST = 1 << 28  # bytes; releases hold some 25 MB
_TIME_LIMIT = 900.0


def fetch_runtime(version: str, out: Path) -> dict[str, str]:
    """Write the `libonnxruntime.so` of a version's arm64 wheel to `out`.

    Returns:
        The wheel's name and sha256.

    Raises:
        KdcError: pip is not there or finds no such wheel, or it holds no such library.
    """
    with tempfile.TemporaryDirectory(prefix="kdc-wheel-") as scratch:
        wheel = _download(version, Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            held = [item for item in archive.infolist() if _LIBRARY.fullmatch(item.filename)]
            if len(held) != 1 or held[0].file_size > _MOST:
                raise KdcError(f"{wheel.name} holds no ONNX Runtime as its releases have it")
            out.write_bytes(archive.read(held[0]))
        return {"wheel": wheel.name, "sha256": sha256(wheel)}


def command(version: str, folder: str) -> list[str]:
    """Return the words with which pip fetches the wheel of this Python's version into a folder."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=1"]
    words += [f"--platform={name}" for name in _PLATFORMS]
    words += ["--only-binary=:all:", f"--python-version={sys.version_info[0]}{sys.version_info[1]}"]
    return [*words, "--dest", folder, f"onnxruntime=={version}"]


def _download(version: str, folder: Path) -> Path:
    words = command(version, str(folder))
    with suppress(OSError, subprocess.TimeoutExpired):  # what counts is whether the wheel has come
        subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIME_LIMIT, check=False
        )
    wheels = list(folder.glob("*.whl"))
    if not wheels or not zipfile.is_zipfile(wheels[0]):
        again = " ".join(["pip", *command(version, ".")[3:]])
        raise KdcError(f"onnxruntime {version} for arm64 cannot be fetched; see why: {again}")
    return wheels[0]
