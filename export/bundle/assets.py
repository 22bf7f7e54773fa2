"""The model inside an app: `assets/` with the phone folder as it is, `app.json` and a signature."""

import shutil
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, sha256, write_json
from kdc.export.bundle.app import Content
from kdc.export.phone_model import Phone

ASSETS = "assets"
CONFIG = "app.json"
CONFIG_FORMAT = "kdc.app-config/1"
SIGNATURE = "manifest.json.sig"
_OURS = (CONFIG, SIGNATURE, MANIFEST)


def write_assets(folder: Path, content: Content) -> None:
    """Copy what the phone folder's manifest names, check every copy, and add what is the app's.

    Args:
        folder: the new folder of the assets.
        content: the phone folder and what the app is told about it.

    Raises:
        KdcError: a copy differs, or the phone folder holds a file of one of our names.
    """
    _copy_phone(content.phone, folder)
    write_json(folder / CONFIG, content.config)
    if content.signature is not None:
        (folder / SIGNATURE).write_bytes(content.signature)


def _copy_phone(phone: Phone, folder: Path) -> None:
    digests = {name: entry["sha256"] for name, entry in phone.manifest["files"].items()}
    if taken := next((name for name in _OURS if name in digests), None):
        raise KdcError(f"{phone.folder} holds a file named {taken}, which is the app's: remove it")
    for name, expected in {**digests, MANIFEST: sha256(phone.folder / MANIFEST)}.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(phone.folder / name, target)
        if sha256(target) != expected:
            raise KdcError(f"{phone.folder / name} changed while it was copied: run bundle again")
