"""An APK is a zip whose stored files lie at places that a phone can map into memory."""

import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from kdc.compress.errors import KdcError

ALIGNMENT = 4
"""Bytes, of every stored file; Android 11 and newer refuse a resource table that lies elsewhere."""
PAGE = 16384
"""Bytes, of native libraries: phones since Android 15 may have pages of 16 KB."""
_DATE = (1981, 1, 1, 1, 1, 2)  # the same for every file, as in what Android's own tools build
_LOCAL, _NAME_LENGTH_AT = 30, 26
_PADDING = 0xD935  # the extra field that holds an alignment and zeros
# by class: places of the table of segments, of its entries' size and number, how large numbers
# are written, and in an entry the place of its page size (System V ABI, chapters 4 and 5)
_ELF = {1: (28, 42, "<I", 28), 2: (32, 54, "<Q", 48)}
_LOAD = 1


def pack(target: Path, base: Path, files: Mapping[str, Path]) -> None:
    """Write an unsigned APK, the same bytes for the same files.

    Args:
        target: the new file.
        base: what aapt2 linked: the manifest and the resources.
        files: name -> file, for everything else.
    """
    with zipfile.ZipFile(target, "w") as apk:
        with zipfile.ZipFile(base) as linked:
            for name in sorted(linked.namelist()):
                _add(apk, name, linked.read(name))
        for name, path in sorted(files.items()):
            _add(apk, name, path.read_bytes())


def _add(apk: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 0
    info.external_attr = 0
    stored = name == "resources.arsc" or name.endswith((".so", ".png"))
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    if stored:
        assert apk.fp is not None
        start = apk.fp.tell() + _LOCAL + len(name.encode("utf-8"))
        info.extra = _padded(start, PAGE if name.endswith(".so") else ALIGNMENT)
    apk.writestr(info, data, compresslevel=9)


def _padded(start: int, alignment: int) -> bytes:
    """Return an extra field after which a place, a multiple of `alignment`, begins."""
    head = struct.Struct("<HHH")
    zeros = -(start + head.size) % alignment
    return head.pack(_PADDING, head.size - 4 + zeros, alignment) + bytes(zeros)


def check_alignment(apk: Path) -> int:
    """Check where the stored files of an APK lie, and how native libraries are linked.

    Returns:
        How many native libraries there are.

    Raises:
        KdcError: a file lies where a phone cannot map it.
    """
    libraries = 0
    with apk.open("rb") as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            native = info.filename.endswith(".so")
            libraries += native
            if native:
                _check_library(archive.read(info), f"{apk}: {info.filename}")
            wanted = PAGE if native else ALIGNMENT
            if info.compress_type == zipfile.ZIP_STORED and _place(file, info) % wanted:
                raise KdcError(f"{apk}: {info.filename} is not aligned to {wanted} bytes")
    return libraries


def _place(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where a file's bytes begin."""
    file.seek(info.header_offset + _NAME_LENGTH_AT)
    name, extra = struct.unpack("<HH", file.read(4))
    return info.header_offset + _LOCAL + int(name) + int(extra)


def _check_library(data: bytes, name: str) -> None:
    """Check that every segment of an ELF file that is loaded may lie at a page of 16 KB."""
    try:
        pages = list(_pages(data))
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise KdcError(f"{name} is no native library") from error
    if pages and min(pages) < PAGE:
        raise KdcError(f"{name} is linked for pages of {min(pages)} bytes: link it for {PAGE}")


def _pages(data: bytes) -> Iterator[int]:
    """Yield the page sizes that the loaded segments of an ELF file are linked for."""
    if data[:4] != b"\x7fELF":
        raise ValueError("no ELF file")
    table_at, count_at, number, page_at = _ELF[data[4]]
    (start,) = struct.unpack_from(number, data, table_at)
    size, count = struct.unpack_from("<HH", data, count_at)
    for segment in range(count):
        place = start + size * segment
        (kind,) = struct.unpack_from("<I", data, place)
        (page,) = struct.unpack_from(number, data, place + page_at)
        if kind == _LOAD:
            yield int(page)
