import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.bundle import bundle
from kdc.export.bundle.app import BundleJob
from kdc.export.bundle.signing import new_key, read_key
from kdc.export.ship import Shipped

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

# RFC 8032, section 7.1, test 3: secret key, public key, message, signature
_SECRET = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
_PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
_MESSAGE = "af82"
_SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)
_PKCS8 = "302e020100300506032b657004220420"  # what stands before the 32 bytes of a key, in DER


def _pem(path: Path, secret: str) -> Path:
    body = base64.b64encode(bytes.fromhex(_PKCS8 + secret)).decode()
    path.write_text(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    path.chmod(0o600)
    return path


def test_a_signature_is_the_standards(tmp_path: Path) -> None:
    """Of another variant (Ed25519ph, or of a digest) no app would take it."""
    key = read_key(_pem(tmp_path / "key.pem", _SECRET))
    assert key.public.hex() == _PUBLIC
    assert key.sign(bytes.fromhex(_MESSAGE)).hex() == _SIGNATURE


def test_a_new_key_is_the_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    """A second key in the place of the first would lock every app in the field out."""
    path = tmp_path / "key.pem"
    new_key(path)
    first = read_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.others is None
    with pytest.raises(KdcError, match="never overwritten"):
        new_key(path)
    assert read_key(path).public == first.public


def test_the_command_makes_a_key_and_tells_what_is_wrong(tmp_path: Path) -> None:
    """A traceback in front of a user."""
    command = [sys.executable, "-m", "kdc.export.bundle.signing", str(tmp_path / "key.pem")]
    assert subprocess.run(command, capture_output=True).returncode == 0
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1 and "is there already" in again.stderr
    nowhere = subprocess.run(command[:-1], capture_output=True, text=True)
    assert nowhere.returncode == 1 and nowhere.stderr.count("\n") == 1


def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    """Whoever reads the key can sign models for every app that trusts it."""
    path = _pem(tmp_path / "key.pem", _SECRET)
    path.chmod(0o644)
    assert "chmod 600" in str(read_key(path).others)


def _other_kind(encrypted: bool) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    kind = Ed25519PrivateKey if encrypted else X25519PrivateKey
    lock = serialization.BestAvailableEncryption(b"x") if encrypted else None
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    pem: bytes = kind.generate().private_bytes(*form, lock or serialization.NoEncryption())
    return pem


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no key at"),
        (b"", "no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key"),
        (b"\xff\x00" * 40, "no private key in PEM"),
        ("encrypted", "is encrypted"),
        ("x25519", "none of Ed25519"),
    ],
)
def test_other_keys_are_refused_in_one_sentence(
    tmp_path: Path, content: bytes | str | None, told: str
) -> None:
    """The library's own messages speak of ASN.1, and some of its errors are TypeErrors."""
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(
            _other_kind(content == "encrypted") if isinstance(content, str) else content
        )
    with pytest.raises(KdcError, match=told) as caught:
        read_key(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="cannot be read: Is a directory"):
        read_key(tmp_path)


def test_without_cryptography_the_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is an extra: ModuleNotFoundError says nothing about how to get it."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(KdcError, match=r"pip install 'kdc\[sign\]'"):
        read_key(tmp_path / "key.pem")


def test_a_signed_app_carries_the_key_and_a_signature_of_the_manifest(
    shipped: Shipped, tmp_path: Path
) -> None:
    """A signature of other bytes than those that lie in the app is refused by every phone."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = _pem(tmp_path / "key.pem", _SECRET)
    bundle(BundleJob(shipped.folder, "ios", tmp_path / "app", sign=key, number=7))
    assets = tmp_path / "app" / "assets"
    config = json.loads((assets / "app.json").read_text())
    told = base64.b64decode(config["public_key"])
    assert told.hex() == _PUBLIC and config["number"] == 7
    envelope = json.loads((assets / "manifest.json.sig").read_text())
    assert (envelope["format"], envelope["number"]) == ("kdc.signature/1", 7)
    digest = hashlib.sha256((assets / "manifest.json").read_bytes()).hexdigest()
    public = Ed25519PublicKey.from_public_bytes(told)
    signature = base64.b64decode(envelope["signature"])
    public.verify(signature, f"kdc.model/1\n7\n{digest}\n".encode())
    with pytest.raises(InvalidSignature):  # a number that another gave it
        public.verify(signature, f"kdc.model/1\n8\n{digest}\n".encode())


def test_a_key_that_cannot_be_read_leaves_nothing_behind(shipped: Shipped, tmp_path: Path) -> None:
    """An app without the signature that was asked for would be taken for a signed one."""
    with pytest.raises(KdcError, match="there is no key"):
        bundle(BundleJob(shipped.folder, "ios", tmp_path / "app", sign=tmp_path / "none.pem"))
    assert list(tmp_path.iterdir()) == []
