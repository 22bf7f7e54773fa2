import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.files import write_json
from tests.android_assets import change_json, make_assets, runtime, runtime_never
from tests.jvm import self_test


def test_with_a_key_only_what_it_signed_is_opened(tmp_path: Path) -> None:
    """A replaced model must be signed; an app without a key takes any intact one."""
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    assets = make_assets(tmp_path / "assets", public)
    assert "is not signed" in self_test(assets, runtime_never)[1]
    manifest = (assets / "manifest.json").read_bytes()

    def told(signed: bytes = manifest, **fields: object) -> str:
        """Sign, change the envelope afterwards, and return why the app refuses."""
        seal(assets, key, signed)
        change_json(assets / "manifest.json.sig", **fields)
        return self_test(assets, runtime_never)[1]

    seal(assets, key, manifest)
    assert self_test(assets, runtime(assets))[2][-1].startswith("passed")
    seal(assets, key, manifest, 6)
    assert self_test(assets, runtime(assets))[2][-1].startswith("passed")
    seal(assets, key, manifest, 4)
    assert (
        "older (number 4) than the one that the app was made with (5)"
        in self_test(assets, runtime_never)[1]
    )
    seal(assets, other, manifest)
    assert "does not bear the signature" in self_test(assets, runtime_never)[1]
    assert "does not bear the signature" in told(number=6)  # a number that nobody signed
    assert "does not bear the signature" in told(manifest.replace(b"demo", b"demi"))
    raw = base64.b64encode(key.sign(manifest)).decode()
    assert "does not bear the signature" in told(signature=raw)  # of what was signed before
    for fields in ({"signature": raw[:-4]}, {"signature": "%"}, {"number": 0}, {"number": 1.5}):
        assert "manifest.json.sig is damaged" in told(**fields)
    assert "manifest.json.sig is damaged" in told(number=2**53)
    assert "manifest.json.sig is damaged" in told(format="kdc.signature/2")


def seal(assets: Path, key: Any, manifest: bytes, number: int = 5) -> None:  # noqa: ANN401
    """Write the file beside a manifest, by the format's own words."""
    digest = hashlib.sha256(manifest).hexdigest()
    signature = key.sign(f"kdc.model/1\n{number}\n{digest}\n".encode("ascii"))
    text = base64.b64encode(signature).decode()
    fields = {"format": "kdc.signature/1", "number": number, "signature": text}
    write_json(assets / "manifest.json.sig", fields)
