"""Phone folder -> a ready app: a sample app's own files, and the model beside them as `assets/`."""

import shutil
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from kdc.compress.errors import KdcError, unknown
from kdc.compress.files import MANIFEST, sha256, whole_folder, write_manifest
from kdc.export.phone_model import FORMAT as PHONE_FORMAT
from kdc.export.phone_model import Phone, read_phone

FORMAT = "kdc.app/1"
FORM = "kdc.app"
ASSETS = "assets"

APPS = {"web": "a static page for any browser and any host; needs nothing but itself"}
"""The apps there are, each a folder of that name in `kdc.sample_apps`, with a line about it."""


_PARTS = ("model", "tokenizer", "records", "page")


@dataclass(frozen=True)
class Part:
    """Some of an app's files."""

    name: str
    """`model`, `tokenizer`, `records` (config, golden texts, digests, card) or `page`."""
    bytes: int
    """Bytes on the disk."""
    zip_bytes: int
    """Bytes as a store or a server would send them: each file deflated."""


def bundle(phone_folder: Path, app: str, out: Path) -> list[Part]:
    """Write a sample app with a phone folder's model in it, every digest checked after the copy.

    Args:
        phone_folder: a phone folder; files that its manifest does not name stay behind.
        app: a name from `APPS`.
        out: the app's folder; an older app there is replaced, anything else is refused.

    Returns:
        The sizes of the app's parts.

    Raises:
        KdcError: no such app, a corrupted phone folder, a copy that differs, or a place that
            holds something else or cannot be written.
    """
    if app not in APPS:
        raise unknown("app", app, APPS)
    phone = read_phone(phone_folder)
    with whole_folder(out, FORM) as folder:
        _copy_app(files("kdc.sample_apps") / app, folder)
        parent = _copy_phone(phone, folder / ASSETS)
        fields = {"app": app, "task": phone.task.as_dict(), "parent": parent}
        write_manifest(folder, FORMAT, {**fields, "made_with": {"kdc": version("kdc")}})
        return _measure(folder)


def _copy_app(source: Traversable, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for item in source.iterdir():
        if item.is_dir():
            _copy_app(item, target / item.name)
        else:
            (target / item.name).write_bytes(item.read_bytes())


def _copy_phone(phone: Phone, assets: Path) -> dict[str, str]:
    """Copy what the phone folder's manifest names; return that manifest's format and digest."""
    digest = sha256(phone.folder / MANIFEST)
    digests = {name: entry["sha256"] for name, entry in phone.manifest["files"].items()}
    for name, expected in {**digests, MANIFEST: digest}.items():
        target = assets / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(phone.folder / name, target)
        if sha256(target) != expected:
            raise KdcError(f"{phone.folder / name} changed while it was copied: run bundle again")
    return {"format": PHONE_FORMAT, "sha256": digest}


def _measure(folder: Path) -> list[Part]:
    sizes: dict[str, list[tuple[int, int]]] = {name: [] for name in _PARTS}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        sizes[_part(path.relative_to(folder))].append((path.stat().st_size, _deflated(path)))
    return [
        Part(name, sum(raw for raw, _ in pairs), sum(zipped for _, zipped in pairs))
        for name, pairs in sizes.items()
    ]


def _part(path: Path) -> str:
    if path.parts[0] != ASSETS:
        return "page"
    if path.parts[1] == "onnx":
        return "model"
    is_tokenizer = path.name.startswith("tokenizer") or path.name == "vocab.txt"
    return "tokenizer" if is_tokenizer else "records"


def _deflated(path: Path) -> int:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    total = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            total += len(packer.compress(piece))
    return total + len(packer.flush())
