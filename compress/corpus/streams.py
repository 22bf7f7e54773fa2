"""Reading a file of any size piece by piece: unpacked on the way, and refused where it is cut off.

A decompressor of Python's own is driven by hand, since the file objects around them take what
follows a damaged place for the end of the file.
"""

import bz2
import codecs
import lzma
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from kdc.compress.data.text_file import EXCELS
from kdc.compress.errors import KdcError

_PIECE = 1 << 20  # bytes read, and unpacked, at once
_DICTIONARY = 1 << 29  # bytes that unpacking an .xz may take
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, as .docx, .odt and .epub are",
    b"%PDF-": "a PDF",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
}
_HEADER = 100_000_000  # bytes of a safetensors file's JSON at the most
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Stream:
    """A file's bytes, unpacked, with how far it has been read and what it was."""

    def __init__(self, path: Path) -> None:
        """Point at a file; nothing is read yet."""
        self.path = path
        self.position = 0
        """Bytes of the file that have been read."""
        self._digest = sha256()

    @property
    def digest(self) -> str:
        """The sha256 of all that was read."""
        return self._digest.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        """Yield the file's content, unpacked if it is bzip2, xz or gzip by its first bytes.

        Raises:
            KdcError: it cannot be read, ends early or is damaged.
        """
        raw = self._raw()
        first = next(raw, b"")
        kind = next((kind for magic, kind in _KINDS.items() if first.startswith(magic)), None)
        if kind is None:
            yield from _chain(first, raw)
            return
        try:
            yield from _unpacked(_chain(first, raw), kind)
        except EOFError as error:
            raise KdcError(f"{self.path} ends early: it is cut off; fetch it again") from error
        except (OSError, lzma.LZMAError, zlib.error, ValueError) as error:
            raise KdcError(
                f"{self.path} is damaged near byte {self.position:,} ({error}): fetch it again"
            ) from error

    def text(self) -> Iterator[str]:
        """Yield the file's content as text, without a byte order mark.

        Raises:
            KdcError: as `pieces`, or it is no text, or not UTF-8 (the line is named).
        """
        decoder = codecs.getincrementaldecoder("utf-8")()
        lines, start = 1, True
        for piece in self.pieces():
            if start and piece.startswith(_UTF16):
                raise self._not_utf8(1, "UTF-16")
            if start and (kind := _foreign(piece)):
                raise KdcError(f"{self.path} is no text but {kind}: give its text as a file")
            if b"\0" in piece:
                line = lines + piece.count(b"\n", 0, piece.index(b"\0"))
                raise KdcError(f"{self.path}, line {line} holds a NUL byte: it is no text file")
            try:
                text = decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise self._not_utf8(lines + piece.count(b"\n", 0, error.start), EXCELS) from error
            lines += text.count("\n")
            yield text.removeprefix("\ufeff") if start else text
            start = False
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise KdcError(f"{self.path} ends inside a character: it is cut off") from error

    def _raw(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while piece := file.read(_PIECE):
                    self.position += len(piece)
                    self._digest.update(piece)
                    yield piece
        except OSError as error:
            raise KdcError(
                f"cannot read {self.path}: {error.strerror}; name a file that can be read"
            ) from error

    def _not_utf8(self, line: int, encoding: str) -> KdcError:
        return KdcError(
            f"{self.path}, line {line} is not UTF-8: convert it, for example with "
            f"`iconv -f {encoding} -t UTF-8`"
        )


def _foreign(start: bytes) -> str:
    """Say what a file is by its first bytes if that is no text, or nothing."""
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") <= _HEADER:
        return "a safetensors file"
    return next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), "")


class _Unpacker(Protocol):
    """What bz2, lzma and the gzip below have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end has been reached."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing waits to be unpacked."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack some bytes."""


class _Gzip:
    """zlib's decompressor with the attributes of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self._left = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack some bytes; what does not fit the length waits for the next call."""
        found = self._inner.decompress(self._left + data, max_length)
        self._left = self._inner.unconsumed_tail
        return found

    @property
    def eof(self) -> bool:
        """Whether the end has been reached."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        """Whether nothing waits."""
        return not self._left


def _bz2() -> _Unpacker:
    return bz2.BZ2Decompressor()


def _xz() -> _Unpacker:
    return lzma.LZMADecompressor(memlimit=_DICTIONARY)


def _gzip() -> _Unpacker:
    return _Gzip()


_KINDS: dict[bytes, Callable[[], _Unpacker]] = {
    b"BZh": _bz2,
    b"\xfd7zXZ\0": _xz,
    b"\x1f\x8b": _gzip,
}


def _unpacked(pieces: Iterator[bytes], kind: Callable[[], _Unpacker]) -> Iterator[bytes]:
    """Unpack one stream after another, as `cat a.bz2 b.bz2` and Wikipedia's multistream make them.

    Raises:
        EOFError: the last one has no end.
    """
    unpacker: _Unpacker | None = None
    for piece in pieces:
        data = piece
        while data or (unpacker is not None and not unpacker.needs_input):
            if unpacker is None:
                if not (data := data.lstrip(b"\0")):  # padding between streams
                    break
                unpacker = kind()
            if found := unpacker.decompress(data, _PIECE):
                yield found
            data = b""
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        raise EOFError


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
