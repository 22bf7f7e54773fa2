"""Signatures of models: Ed25519 (RFC 8032), made here and checked by the apps.

An app carries the public key and takes only models whose `manifest.json` that key signed, so a
model can be replaced without a new app, and by nobody else.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PACKAGE = "cryptography"
_MAKE = "python -m kdc.export.bundle.signing FILE makes one"
_LARGEST = 1 << 16  # bytes; a key has 119
_NOT_OURS = 0o077  # readable or writable by others than the owner


@dataclass(frozen=True)
class SigningKey:
    """A private key."""

    _key: "Ed25519PrivateKey"
    others: str | None
    """A sentence, where others than the owner may read the file or put another in its place."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes as they are."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes, 64 bytes."""
        return self._key.sign(data)


def read_key(path: Path) -> SigningKey:
    """Read a private key, PEM in PKCS8, as `openssl genpkey -algorithm ed25519` writes it.

    Raises:
        KdcError: cryptography is not installed, or there is no such file, it cannot be read, it
            is encrypted, or it holds no Ed25519 key.
    """
    _require_package()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content, others = _read(path)
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:  # what the library raises where a password is missing
        raise KdcError(
            f"{path} is encrypted: write it without a password, openssl pkey -in {path} -out FILE"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KdcError(f"{path} holds no private key in PEM: {_MAKE}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KdcError(f"{path} holds a private key, but none of Ed25519: {_MAKE}")
    return SigningKey(key, others)


def new_key(path: Path) -> None:
    """Make a private key that only the owner can read; whatever is there already stays.

    Raises:
        KdcError: cryptography is not installed, something is there, or it cannot be written.
    """
    _require_package()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with disk_errors(path):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise KdcError(f"{path} is there already, and a key is never overwritten") from error
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _require_package() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise KdcError(f"signing needs {PACKAGE}: pip install 'kdc[sign]'") from error


def _read(path: Path) -> tuple[bytes, str | None]:
    """Return a key file's bytes, and what to say about who else can get at them."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST)
    except FileNotFoundError as error:
        make = _MAKE.replace("FILE", str(path))
        raise KdcError(f"there is no key at {path}: {make}") from error
    except OSError as error:
        raise KdcError(f"the key {path} cannot be read: {error.strerror}") from error
    open_to_others = os.name == "posix" and mode & _NOT_OURS
    return content, f"others can read the key {path}: chmod 600 {path}" if open_to_others else None


if __name__ == "__main__":
    try:
        new_key(Path(sys.argv[1]))
    except (KdcError, IndexError) as error:
        sys.exit(str(error) if isinstance(error, KdcError) else f"{_MAKE}")
