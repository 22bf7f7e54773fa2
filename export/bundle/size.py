"""What an app weighs: its parts, as they lie on the disk and as a store or a server sends them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kdc.export.bundle.assets import ASSETS
from kdc.export.model_file import deflated_bytes

PAGE = "page"
_RECORDS = "records"
_TOKENIZER = ("tokenizer", "vocab.txt")


@dataclass(frozen=True)
class Part:
    """Some of an app's files."""

    name: str
    """`model`, `runtime`, `tokenizer`, `records` (config, golden texts, digests, card), `page`."""
    bytes: int
    """Bytes on the disk."""
    zip_bytes: int
    """Bytes as a store or a server would send them: each file deflated at level 9."""


def asset_parts(folder: str = ASSETS) -> dict[str, str]:
    """Return what the assets are, for `App.parts`; `folder` is theirs, inside the app's."""
    tokenizer = {f"{folder}/{name}": "tokenizer" for name in _TOKENIZER}
    return {f"{folder}/onnx/": "model", **tokenizer, f"{folder}/": _RECORDS}


def measure(folder: Path, parts: Mapping[str, str]) -> list[Part]:
    """Weigh every file of an app's folder, and add up those of each part that has any."""
    sizes: dict[str, list[tuple[int, int]]] = {name: [] for name in [*parts.values(), PAGE]}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        part = _part(path.relative_to(folder).as_posix(), parts)
        sizes[part].append((path.stat().st_size, deflated_bytes(path)))
    return [
        Part(name, sum(raw for raw, _ in pairs), sum(zipped for _, zipped in pairs))
        for name, pairs in sizes.items()
        if pairs
    ]


def _part(path: str, parts: Mapping[str, str]) -> str:
    return (
        parts[max(starts, key=len)]
        if (starts := [s for s in parts if path.startswith(s)])
        else PAGE
    )
