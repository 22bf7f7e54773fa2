"""What lies beside a signed manifest: its number and signature, `assets/manifest.json.sig`.

The number is signed too, and no app goes back to a lower one, so that nobody can bring an older
model back that its maker has replaced.
"""

import base64
import hashlib
import json

from kdc.export.bundle.signing import SigningKey

FORMAT = "kdc.signature/1"


def message(manifest: bytes, number: int) -> bytes:
    """Return what is signed for a `manifest.json`: three lines of ASCII."""
    return f"kdc.model/1\n{number}\n{hashlib.sha256(manifest).hexdigest()}\n".encode("ascii")


def sign_manifest(key: SigningKey, manifest: bytes, number: int) -> bytes:
    """Return the file that goes beside a manifest, in JSON.

    Args:
        key: of the app's maker.
        manifest: the bytes of `manifest.json`.
        number: from 1 up; a newer model has a higher one.
    """
    signature = base64.b64encode(key.sign(message(manifest, number))).decode("ascii")
    fields = {"format": FORMAT, "number": number, "signature": signature}
    return (json.dumps(fields, indent=2) + "\n").encode("ascii")
