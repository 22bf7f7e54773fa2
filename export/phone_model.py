"""The phone folder: what ships.

`onnx/model_quantized.onnx` (or `onnx/model.onnx`; `.ort` in ONNX Runtime's own format; weights in
a file of their own end in `_data`), `config.json`, `tokenizer.json`,
`tokenizer_config.json`, `vocab.txt`, `golden.json`, `README.md`, and `manifest.json`, written
last. Its layout loads as it is in transformers.js.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_json, read_manifest, sha256
from kdc.compress.progress import some
from kdc.compress.task import Task
from kdc.export.model_file import ORT, files_of, read_model_file

FORMAT = "kdc.phone/1"
FORM = "kdc.phone"
QUANTIZED, PLAIN = "onnx/model_quantized.onnx", "onnx/model.onnx"
"""Names that transformers.js looks for."""
_SUFFIXES = (".onnx", ORT)
_MODELS = [
    str(PurePosixPath(name).with_suffix(s)) for name in (QUANTIZED, PLAIN) for s in _SUFFIXES
]


@dataclass(frozen=True)
class Phone:
    """A phone folder whose every file has been checked."""

    folder: Path
    manifest: dict[str, Any]
    task: Task
    max_length: int
    """Tokens a text is cut to, special tokens included."""
    model: Path
    """The `.onnx` or `.ort` inside."""


def read_phone(folder: Path) -> Phone:
    """Read and check a phone folder.

    Raises:
        KdcError: it is missing, of another format, incomplete or corrupted (the file is named).
    """
    manifest = read_manifest(folder, FORMAT, "phone folder")
    models = [name for name in _MODELS if name in manifest["files"]]
    length = manifest.get("max_length")
    if len(models) != 1 or not isinstance(length, int):
        raise KdcError(f"{folder / MANIFEST} is damaged: it must name one model and a max_length")
    task = Task.from_dict(manifest.get("task"))
    return Phone(folder, manifest, task, length, folder / models[0])


def find_phone(path: Path) -> Phone:
    """Find the phone folder that a path means.

    Args:
        path: a phone folder, the `.onnx` inside one, or a copy of it that lies beside one. Of a
            copy, weights in a file of their own have to be the same too.

    Raises:
        KdcError: there is none, it is corrupted, or the model file is damaged.
    """
    if path.is_dir():
        return read_phone(path)
    if not path.is_file():
        raise KdcError(f"there is no model at {path}")
    folder, digest = path.resolve().parent, sha256(path)
    if folder.name == "onnx" and (folder.parent / MANIFEST).is_file():
        phone = read_phone(folder.parent)
        if _same(phone.model, path):
            return phone
        raise KdcError(
            f"{path} is not the model that {phone.folder} ships, which is {phone.model.name}: "
            "name that one, or the phone folder"
        )
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            text = manifest.read_text(encoding="utf-8", errors="replace")
        except OSError:  # a folder that is not ours to read is not the one
            continue
        if digest in text and is_phone(manifest.parent):
            phone = read_phone(manifest.parent)
            if _same(phone.model, path):
                return phone
    raise _not_found(path)


def _same(one: Path, other: Path) -> bool:
    """Whether two model files have the same bytes, those of the weights beside them included."""
    return sha256(*files_of(one)) == sha256(*files_of(other))


def _not_found(path: Path) -> KdcError:
    """Say why no phone folder has a model's bytes: they are damaged, or there is none."""
    if path.suffix != ORT:  # which a process of its own would have to look at
        read_model_file(path)
    beside = []
    for manifest in sorted(path.resolve().parent.glob(f"*/{MANIFEST}")):
        with suppress(KdcError, OSError):
            beside += [manifest.parent.name] if is_phone(manifest.parent) else []
    hold = "holds" if len(beside) == 1 else "hold"
    other = f", and its bytes are not those that {some(beside)} {hold}" if beside else ""
    return KdcError(
        f"no phone folder with {path} was found beside it{other}: name the phone folder itself"
    )


def is_phone(path: Path) -> bool:
    """Whether a path is meant as something that ships: a model file or a phone folder."""
    if path.suffix in _SUFFIXES:
        return True
    manifest = path / MANIFEST
    return manifest.is_file() and str(read_json(manifest).get("format", "")).startswith(f"{FORM}/")
