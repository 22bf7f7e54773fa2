"""What a model file says about itself before anything runs it: its bytes and kdc's properties."""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from kdc.export.options import DEFAULT, PROPERTY, SessionOptions
from kdc.export.weights_files import check_weights, places
from kdc.export.wire import WireError, entry, fields, mapped, messages

ORT = ".ort"
_MOST = 64  # lengths; quantiles of a distribution need no more
_CHUNK = 1 << 20
_INPUT_IDS = "input_ids"


@dataclass(frozen=True)
class ModelFile:
    """An `.onnx` or `.ort` that has been looked at but not run."""

    path: Path
    files: tuple[Path, ...]
    """The model, and the files in its folder that hold weights of it."""
    lengths: tuple[int, ...] | None
    """Property `kdc.lengths`: up to 64 quantiles of the dev rows' tokens; None in foreign files."""
    vocab: int | None
    """Property `kdc.vocab`: rows of the embedding."""
    max_length: int | None
    """Property `kdc.max_length`: most tokens of a text."""
    fixed_length: int | None = None
    """Tokens that every text must have, for a model of one length; None for any length."""
    session: SessionOptions = DEFAULT
    """Property `kdc.session`: how the model asks to be opened."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def zip_bytes(self) -> int:
        """Bytes of all its files after deflate at level 9: what an app's download grows by."""
        return sum(deflated_bytes(path) for path in self.files)

    def digest(self) -> str:
        """Return the hex sha256 of all its files, one after the other, as they are now.

        Of one file it is the file's own. Two fine-tuned models of one shape may have the same
        graph, byte for byte, and differ in the weights beside it alone.
        """
        return sha256(*self.files)


def read_model_file(path: Path) -> ModelFile:
    """Look into a model file without its weights and without running it.

    Raises:
        KdcError: it is missing, no model, cut short, names weights outside its folder, that are
            missing or too short, or carries a property that makes no sense.
    """
    if not path.is_file():
        raise KdcError(f"there is no model at {path}: name an .onnx file or a phone folder")
    if path.suffix == ORT:
        from kdc.export.probe import probe

        found = probe(path)
        return _model_file(path, (path,), found.metadata, found.fixed_length)
    model = mapped(path)
    try:
        if not any(True for _ in messages(model, 7, 1)):  # an empty file is an empty message
            raise KdcError(f"{path} is no ONNX model: it has no graph; export it again")
        properties = dict(entry(message) for message in messages(model, 14))
        files = (path, *check_weights(path, places(model)))
        fixed = _fixed_length(model)
    except WireError as error:
        raise KdcError(f"{path} is no ONNX model or is cut short: export it again") from error
    return _model_file(path, files, properties, fixed)


def files_of(path: Path) -> tuple[Path, ...]:
    """Return a model file and the files of its weights; the path alone where it is none.

    An `.ort` has all its weights inside, so no process of its own has to look at it.
    """
    if path.suffix != ORT:
        with suppress(KdcError, OSError):
            return read_model_file(path).files
    return (path,)


def deflated_bytes(path: Path) -> int:
    """Return the bytes of a file after deflate at level 9, read in pieces and kept nowhere."""
    with path.open("rb") as file:
        return deflated(iter(lambda: file.read(_CHUNK), b""))


def deflated(pieces: Iterable[bytes]) -> int:
    """Return the bytes of pieces, one after the other, after deflate at level 9."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return sum(len(squeeze.compress(piece)) for piece in pieces) + len(squeeze.flush())


def _model_file(
    path: Path, files: tuple[Path, ...], properties: Mapping[str, str], fixed: int | None
) -> ModelFile:
    lengths = _property(path, properties, "kdc.lengths", _are_lengths)
    options = _property(path, properties, PROPERTY, lambda value: isinstance(value, dict))
    return ModelFile(
        path=path,
        files=files,
        lengths=None if lengths is None else tuple(lengths),
        vocab=_property(path, properties, "kdc.vocab", _is_count),
        max_length=_property(path, properties, "kdc.max_length", _is_count),
        fixed_length=fixed,
        session=DEFAULT if options is None else SessionOptions.from_dict(options, str(path)),
    )


def _fixed_length(model: memoryview) -> int | None:
    """Return the second axis of `input_ids` where the graph declares it as a number."""
    for value in messages(model, 7, 11):
        name = next(messages(value, 1), memoryview(b""))
        if bytes(name) != _INPUT_IDS.encode():
            continue
        axes = list(messages(value, 2, 1, 2, 1))  # type, tensor_type, shape, dim
        numbers = [number for part in axes[1:2] for key, number in fields(part) if key == 1]
        return next((n for n in numbers if isinstance(n, int) and _is_count(n)), None)
    return None


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
