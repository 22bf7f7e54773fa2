"""What an `.onnx` says about itself before anything runs it: its bytes and kdc's properties."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    from onnx import ModelProto

_MOST = 64  # lengths; quantiles of a distribution need no more
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """An `.onnx` that has been read but not run."""

    path: Path
    files: tuple[Path, ...]
    """The `.onnx`, and the files in its folder that hold weights of it."""
    lengths: tuple[int, ...] | None
    """Property `kdc.lengths`: up to 64 quantiles of the dev rows' tokens; None in foreign files."""
    vocab: int | None
    """Property `kdc.vocab`: rows of the embedding."""
    max_length: int | None
    """Property `kdc.max_length`: most tokens of a text."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def zip_bytes(self) -> int:
        """Bytes of all its files after deflate at level 9: what an app's download grows by."""
        return sum(deflated_bytes(path) for path in self.files)


def read_model_file(path: Path) -> ModelFile:
    """Read an `.onnx` without its weights' files and without running it.

    Raises:
        KdcError: it is missing, no ONNX model, cut short, names weights outside its folder or
            that are missing, or carries a property that makes no sense.
    """
    if not path.is_file():
        raise KdcError(f"there is no model at {path}: name an .onnx file or a phone folder")
    model = _parse(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    lengths = _property(path, properties, "kdc.lengths", _are_lengths)
    return ModelFile(
        path=path,
        files=(path, *_weights(path, model)),
        lengths=None if lengths is None else tuple(lengths),
        vocab=_property(path, properties, "kdc.vocab", _is_count),
        max_length=_property(path, properties, "kdc.max_length", _is_count),
    )


def deflated_bytes(path: Path) -> int:
    """Return the bytes of a file after deflate at level 9, read in pieces and kept nowhere."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    with path.open("rb") as file:
        total = sum(len(squeeze.compress(chunk)) for chunk in iter(lambda: file.read(_CHUNK), b""))
    return total + len(squeeze.flush())


def _parse(path: Path) -> "ModelProto":
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise KdcError(f"{path} is no ONNX model or is cut short: export it again") from error
    if not model.graph.node:  # protobuf reads an empty file as an empty model
        raise KdcError(f"{path} is no ONNX model: it has no graph; export it again")
    return model


def _weights(path: Path, model: "ModelProto") -> tuple[Path, ...]:
    names = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for name in names:
        file, steps = path.parent / name, [Path(name), *Path(name).parents]
        is_link = any((path.parent / step).is_symlink() for step in steps if step != Path())
        if Path(name).is_absolute() or ".." in Path(name).parts or is_link:
            raise KdcError(f"{path} names weights outside its folder: {name!r}; do not use it")
        if not file.is_file():
            raise KdcError(f"{path} is incomplete: its weights {name!r} are missing beside it")
    return tuple(path.parent / name for name in sorted(names))


def _property(
    path: Path, properties: Mapping[str, str], name: str, is_sound: Callable[[Any], bool]
) -> Any:  # noqa: ANN401 - it comes from a file
    """Return a property's value, or None where the file has no such property."""
    if name not in properties:
        return None
    try:
        value = json.loads(properties[name])
    except (ValueError, RecursionError):
        value = None
    if not is_sound(value):
        raise KdcError(f"{path} carries a damaged property {name}: export it again")
    return value


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < 1 << 31


def _are_lengths(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= _MOST and all(map(_is_count, value))
