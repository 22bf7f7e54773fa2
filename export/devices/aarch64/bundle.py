"""The runner with all that it needs of Linux on arm64, in one folder that can be moved there.

It is started by its own loader, so that nothing is asked of the system but its kernel:

    cd FOLDER && ./ld-linux-aarch64.so.1 --library-path . ./runner ./libonnxruntime.so JOB
"""

import hashlib
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import read_manifest, sha256, whole_folder, write_manifest
from kdc.compress.progress import Progress, Silent
from kdc.compress.user_cache import cache_folder, one_at_a_time
from kdc.export.devices.aarch64.compilers import GET_CROSS, Compiler, cross_compiler
from kdc.export.devices.aarch64.libraries import LOADER, installed_libraries, libraries
from kdc.export.devices.aarch64.wheel import fetch_runtime

FORM = "kdc.arm64"
FORMAT = f"{FORM}/1"
RUNNER, RUNTIME = "runner", "libonnxruntime.so"
_HERE = Path(__file__).parent
SOURCES = [_HERE / name for name in ("job.c", "model.c", "runner.c")]
HEADERS = [_HERE / name for name in ("job.h", "model.h", "ort.h")]


def runner_bundle(progress: Progress | None = None) -> Path:
    """Return the folder, made at the first call and kept in the user's cache.

    Its name holds a digest of the sources, the compiler, the libraries and the version of ONNX
    Runtime, which is that of this machine's own. Its `manifest.json` has the sha256 of every file.

    Raises:
        KdcError: there is no compiler, C library or wheel to make it of, or no cache to keep it.
    """
    compiler = cross_compiler()
    if compiler is None:
        raise KdcError(f"there is no compiler for arm64: run: {GET_CROSS}")
    runtime = runtime_version()
    folder = cache_folder() / f"arm64-{runtime}-{_digest(compiler, runtime)}"
    if not _is_whole(folder):
        with one_at_a_time(folder):
            if not _is_whole(folder):  # another process may have made it meanwhile
                (progress or Silent()).say(
                    f"making the arm64 runner of onnxruntime {runtime}, once"
                )
                shutil.rmtree(folder, ignore_errors=True)
                _make(folder, compiler, runtime)
    return folder


def start_command(folder: str, job: str) -> list[str]:
    """Return the words that start the runner, where the bundle lies at `folder`."""
    loader = [f"{folder}/{LOADER}", "--library-path", folder]
    return [*loader, f"{folder}/{RUNNER}", f"{folder}/{RUNTIME}", job]


def runtime_version() -> str:
    """Return the version of this machine's ONNX Runtime.

    Raises:
        KdcError: it is not installed.
    """
    try:
        return version("onnxruntime")
    except PackageNotFoundError as error:
        raise KdcError("onnxruntime is not installed: run: pip install onnxruntime") from error


def _digest(compiler: Compiler, runtime: str) -> str:
    parts = [sha256(path) for path in (*SOURCES, *HEADERS)]
    installed = installed_libraries() or {}
    parts += [*compiler.command[1:], compiler.version, runtime]
    parts += [sha256(path) for path in installed.values()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder, FORMAT, "arm64 runner")
    except KdcError:  # not made yet, or damaged since
        return False
    return True


def _make(folder: Path, compiler: Compiler, runtime: str) -> None:
    with whole_folder(folder, FORM) as staging, libraries() as found:
        compiler.build(SOURCES, staging / RUNNER, ["-ldl", "-lm"])
        for name, path in found.items():
            shutil.copyfile(path, staging / name)
        wheel = fetch_runtime(runtime, staging / RUNTIME)
        for name in (RUNNER, LOADER):
            (staging / name).chmod(0o755)
        fields = {"onnxruntime": runtime, "from": wheel, "compiler": compiler.version}
        write_manifest(staging, FORMAT, fields)
