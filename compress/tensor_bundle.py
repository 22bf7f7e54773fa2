"""TensorFlow's checkpoint files, read without TensorFlow: an index and one file of numbers.

`X.index` is a table of sorted keys as LevelDB writes it: blocks of keys that share their
beginnings, uncompressed, and a footer with a magic number. Each value is a protocol buffer,
`BundleEntryProto`: type, shape, place and CRC-32C of a tensor in `X.data-00000-of-00001`. It is
the format of TensorFlow's `core/util/tensor_bundle` and `core/lib/io/table_format.txt`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.crc32c import crc32c, unmasked
from kdc.compress.errors import KdcError

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5  # of a block: how it is compressed, and a checksum
_LARGEST_INDEX = 64 << 20
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}  # DataType of types.proto
_VARINT = 10  # bytes at the most


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies."""

    kind: str
    """numpy's name of its type."""
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    """Bytes."""
    crc: int
    """Masked CRC-32C of these."""


class TensorBundle:
    """The tensors of a checkpoint, found by their names and read one at a time."""

    def __init__(self, prefix: Path) -> None:
        """Read the index.

        Args:
            prefix: the path without `.index`, such as `bert_model.ckpt`.

        Raises:
            KdcError: the index is missing, damaged or of another format.
        """
        self._prefix = prefix
        self._index = prefix.with_name(f"{prefix.name}.index")
        try:
            size = self._index.stat().st_size
            if not _FOOTER <= size <= _LARGEST_INDEX:
                raise ValueError(f"{size:,} bytes")
            self.entries, self._shards = _read_index(self._index.read_bytes())
        except OSError as error:
            raise KdcError(f"cannot read {self._index}: {error.strerror}") from error
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise KdcError(
                f"{self._index} is damaged or no index of a TensorFlow checkpoint: fetch it again"
            ) from error

    def read(self, name: str) -> npt.NDArray[Any]:
        """Read a tensor and compare it with its checksum.

        Raises:
            KdcError: there is none of this name, or its bytes are missing or changed.
        """
        if name not in self.entries:
            raise KdcError(f"{self._index} has no tensor {name}")
        entry = self.entries[name]
        ending = f"data-{entry.shard:05d}-of-{self._shards:05d}"
        path = self._prefix.with_name(f"{self._prefix.name}.{ending}")
        try:
            if entry.offset + entry.size > path.stat().st_size:
                raise KdcError(f"{path} is cut off: {name} lies behind its end; fetch it again")
            with path.open("rb") as file:
                file.seek(entry.offset)
                data = file.read(entry.size)
        except OSError as error:
            raise KdcError(f"cannot read {path}: {error.strerror or error}") from error
        if crc32c(data) != unmasked(entry.crc):
            raise KdcError(f"{path} is damaged: {name} does not match its checksum; fetch it again")
        return np.frombuffer(data, entry.kind).reshape(entry.shape)


def _read_index(data: bytes) -> tuple[dict[str, Entry], int]:
    """Return the entries and the number of data files."""
    footer = data[-_FOOTER:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("no table")
    place = _varint(footer, _varint(footer, 0)[1])[1]  # behind the handle of the meta index
    handle, _ = _handle(footer, place)
    entries: dict[str, Entry] = {}
    shards = 1
    for _, value in _block(data, *handle):
        (offset, size), _ = _handle(value, 0)
        for key, held in _block(data, offset, size):
            if key:
                entries[key.decode()] = _entry(held)
            else:  # the header: how many files, and whether their numbers begin at the other end
                header = _fields(held)
                shards = header.get(1, [1])[-1]
                if header.get(2, [0])[-1] != 0:
                    raise ValueError("big-endian")
    if type(shards) is not int or not 1 <= shards <= 99_999:
        raise ValueError("no number of files")
    return entries, shards


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Read offset and size of a block."""
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return (offset, size), place


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block."""
    end = offset + size
    if end + _TRAILER > len(data) or size < 4:
        raise ValueError("a block behind the end")
    if data[end] != 0:
        raise ValueError("a compressed block")
    crc = int.from_bytes(data[end + 1 : end + _TRAILER], "little")
    if crc32c(data[offset : end + 1]) != unmasked(crc):
        raise ValueError("checksum")
    restarts = int.from_bytes(data[end - 4 : end], "little")
    last = end - 4 - 4 * restarts
    if last < offset:
        raise ValueError("restarts")
    key, place = b"", offset
    while place < last:
        shared, place = _varint(data, place)
        own, place = _varint(data, place)
        length, place = _varint(data, place)
        if shared > len(key) or place + own + length > last:
            raise ValueError("an entry behind its block")
        key = key[:shared] + data[place : place + own]
        place += own
        yield key, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, and say where it ends."""
    value = 0
    for shift in range(_VARINT):
        byte = data[place + shift]
        value |= (byte & 127) << (7 * shift)
        if byte < 128:
            return value, place + shift + 1
    raise ValueError("a number without an end")


def _fields(data: bytes) -> dict[int, list[Any]]:
    """Read a protocol buffer: number of a field -> its values, whole numbers or bytes."""
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        wire = tag & 7
        value: int | bytes
        if wire == 0:
            value, place = _varint(data, place)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, place = _varint(data, place)
            if size is None or place + size > len(data):
                raise ValueError("a field behind its message")
            raw = data[place : place + size]
            value = raw if wire == 2 else int.from_bytes(raw, "little")
            place += size
        found.setdefault(tag >> 3, []).append(value)
    return found


def _entry(data: bytes) -> Entry:
    """Read a BundleEntryProto."""
    fields = _fields(data)

    def one(number: int) -> int:
        value = fields.get(number, [0])[-1]
        if type(value) is not int:
            raise ValueError("no number")
        return value

    kind, shape = _TYPES.get(one(1), ""), _shape(fields.get(2, [b""])[-1])
    size = one(5)
    if 7 in fields or (kind and np.dtype(kind).itemsize * math.prod(shape) != size):
        raise ValueError("a tensor in parts, or of another size")
    return Entry(kind or "V1", shape, one(3), one(4), size, one(6))


def _shape(data: object) -> tuple[int, ...]:
    """Read a TensorShapeProto."""
    if not isinstance(data, bytes):
        raise ValueError("no shape")
    sizes = []
    for dim in _fields(data).get(2, []):
        if not isinstance(dim, bytes):
            raise ValueError("no dimension")
        sizes.append(_fields(dim).get(1, [0])[-1])
    if not all(type(size) is int and 0 <= size < 1 << 31 for size in sizes):
        raise ValueError("no sizes")
    return tuple(sizes)
