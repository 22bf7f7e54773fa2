"""Reading text files that anybody may have made."""

import codecs
from pathlib import Path

from kdc.compress.errors import KdcError

EXCELS = "CP1252"
"""What text that is not Unicode most likely is, as iconv calls it: Latin-1, with the euro and the
curly quotes, for which Latin-1 itself has control characters."""


def read_text(path: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark (Excel writes one).

    Raises:
        KdcError: the file cannot be read, is not UTF-8 or holds NUL bytes (the line is named).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KdcError(
            f"cannot read {path}: {error.strerror}; name a file that can be read"
        ) from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise KdcError(f"{path} is not UTF-8 but UTF-16: {_convert(path, 'UTF-16')}")
    data = data.removeprefix(codecs.BOM_UTF8)
    nul = data.find(b"\0")
    if nul >= 0:
        raise KdcError(
            f"{path}, line {_line(data, nul)} holds a NUL byte: the file is damaged or no text file"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = _line(data, error.start)
        raise KdcError(f"{path}, line {line} is not UTF-8: {_convert(path, EXCELS)}") from error


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _convert(path: Path, encoding: str) -> str:
    target = f"{path.stem}.utf8{path.suffix}"
    return f"convert it, for example with `iconv -f {encoding} -t UTF-8 '{path}' > '{target}'`"
