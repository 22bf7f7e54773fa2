"""The files of weights that an `.onnx` names, checked before a runtime follows the names.

ONNX Runtime opens whatever path a model names, through links and out of its folder, and what it
does with a file that is too short differs from version to version.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.export.wire import WireError, entry, fields

# which fields of ONNX's messages hold tensors, or messages that hold some (onnx.proto3)
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _SPARSE, _FUNCTION, _TRAINING, _TENSOR = range(8)
_PARTS = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_EXTERNAL = 13  # TensorProto.external_data
_KEY = b"location"  # what stands in every message that names a file
_SMALL = 4096  # bytes; in longer ones the key is not searched for: their weights would be read


@dataclass(frozen=True)
class Place:
    """Where a tensor's bytes lie."""

    file: str
    """Path relative to the `.onnx`, as the model names it."""
    end: int
    """Bytes that the file must have at least."""


def places(model: memoryview) -> Iterator[Place]:
    """Yield where each tensor that is outside an `.onnx` lies, subgraphs and functions included.

    Raises:
        WireError: it is no model, or a number in it makes no sense.
    """
    waiting = [(_MODEL, model)]
    while waiting:
        kind, message = waiting.pop()
        outside: list[tuple[str, str]] = []
        for number, value in fields(message):
            if isinstance(value, int):
                continue
            if kind == _TENSOR:
                if number == _EXTERNAL:
                    outside.append(entry(value))
            elif number in _PARTS[kind] and (len(value) > _SMALL or _KEY in bytes(value)):
                waiting.append((_PARTS[kind][number], value))
        numbers = dict(outside)
        end = _number(numbers, "offset") + _number(numbers, "length")
        # every name is followed, also one that a second entry of the same key hides
        yield from (Place(value, end) for key, value in outside if key == "location")


def check_weights(path: Path, found: Iterator[Place]) -> tuple[Path, ...]:
    """Check the files of weights that the model at `path` names, and return them sorted.

    Raises:
        KdcError: a file lies outside the model's folder, is missing or too short.
        WireError: see `places`.
    """
    ends: dict[str, int] = {}
    for place in found:
        ends[place.file] = max(place.end, ends.get(place.file, 0))
    for name, end in ends.items():
        try:
            _check(path, name, end)
        except OSError as error:
            raise KdcError(
                f"{path} names weights that cannot be read, {name[:80]!r}: export it again"
            ) from error
    return tuple(path.parent / name for name in sorted(ends))


def _check(path: Path, name: str, end: int) -> None:
    plain = Path(name.replace("\\", "/"))  # which is how Windows would read it
    steps = [path.parent / step for step in (plain, *plain.parents) if step != Path()]
    is_outside = plain.is_absolute() or ".." in plain.parts or "\0" in name
    if is_outside or any(step.is_symlink() for step in steps):
        raise KdcError(f"{path} names weights outside its folder: {name!r}; do not use it")
    file = path.parent / name
    if not name or not file.is_file():
        raise KdcError(
            f"{path} is incomplete: its weights {name!r} are missing beside it; copy both files "
            "together again"
        )
    size = file.stat().st_size
    if size < end:
        raise KdcError(
            f"{file} is cut short or of another model: it has {size:,} bytes where {path.name} "
            f"names {end:,}; copy both files together again"
        )


def _number(values: dict[str, str], key: str) -> int:
    text = values.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise WireError(f"{key} {text!r}")
    return int(text)
