"""Protobuf's wire format, as far as it takes to look into an `.onnx` without loading it.

Every file is looked at before a runtime opens it, also in the process whose memory is measured,
where `onnx` and protobuf themselves would count as the model's. Weights are stepped over.
https://protobuf.dev/programming-guides/encoding
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


class WireError(ValueError):
    """The bytes are no protobuf message, or end in the middle of one."""


def mapped(path: Path) -> memoryview:
    """Return a file's bytes without reading those that nobody looks at."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:  # which cannot be mapped
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field: a whole number, or the bytes of anything else.

    Raises:
        WireError: this is no message, or a cut one.
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError("field number 0")
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _varint(message, place)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise WireError(f"wire type {kind}")
        if place + size > end:
            raise WireError(f"field {number} of {size} bytes")
        yield number, message[place : place + size]
        place += size


def messages(message: memoryview, *path: int) -> Iterator[memoryview]:
    """Yield the messages that lie at a path of field numbers, in the order of the file."""
    number, *rest = path
    for found, value in fields(message):
        if found == number and isinstance(value, memoryview):
            if rest:
                yield from messages(value, *rest)
            else:
                yield value


def entry(message: memoryview) -> tuple[str, str]:
    """Read a key (field 1) and its value (field 2), ONNX's `StringStringEntryProto`."""
    texts = {1: "", 2: ""}
    for number, value in fields(message):
        if number in texts and isinstance(value, memoryview):
            texts[number] = _text(value)
    return texts[1], texts[2]


def _text(value: memoryview) -> str:
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("text that is not UTF-8") from error


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number and the place after it."""
    if place < len(message) and (value := message[place]) < 0x80:  # as nearly all are
        return value, place + 1
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise WireError("a number without an end")
