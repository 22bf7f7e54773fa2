import bz2
import gzip
import lzma
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from kdc.compress.corpus import streams
from kdc.compress.corpus.streams import Stream
from kdc.compress.errors import KdcError

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "gz": gzip.compress,
}
TEXT = ("".join(f"line {n} é 你好\n" for n in range(20_000))).encode()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", PACKERS)
def test_several_packed_streams_in_one_file_are_one_text(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: of Wikipedia's multistream dumps only the first hundred pages are read."""
    monkeypatch.setattr(streams, "_PIECE", 1000)  # characters and streams end inside pieces
    pack = PACKERS[name]
    packed = pack(TEXT[:100_001]) + pack(TEXT[100_001:]) + pack(b"") + pack(TEXT)
    stream = Stream(write(tmp_path / "text", packed))
    pieces = list(stream.pieces())
    assert b"".join(pieces) == TEXT + TEXT and max(map(len, pieces)) <= 1000
    assert stream.position == len(packed) and stream.digest == sha256(packed).hexdigest()
    assert "".join(Stream(tmp_path / "text").text()) == (TEXT + TEXT).decode()


@pytest.mark.parametrize("name", PACKERS)
def test_a_packed_file_that_is_cut_or_damaged_is_named(name: str, tmp_path: Path) -> None:
    """Bug: what follows damage is taken for the end, and half a corpus for the whole."""
    whole = PACKERS[name](TEXT)
    for end in (12, len(whole) // 2, len(whole) - 1):
        with pytest.raises(KdcError, match=r"text ends early"):
            list(Stream(write(tmp_path / "text", whole[:end])).pieces())
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole + b"no stream at all", whole + whole[:40] + b"x" * 99):
        with pytest.raises(KdcError, match=r"text (is damaged near byte|ends early)"):
            list(Stream(write(tmp_path / "text", damaged)).pieces())


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_unpacks_piece_by_piece(name: str, tmp_path: Path) -> None:
    bomb = write(tmp_path / "bomb", PACKERS[name](bytes(50_000_000)))
    assert max(map(len, Stream(bomb).pieces())) <= 1 << 20


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a\nb\nc\xff\n", "line 3 is not UTF-8"),
        ("a".encode("utf-16"), "line 1 is not UTF-8"),
        (b"a\nb\0c", "line 2 holds a NUL"),
        (b"a\n\xe4\xbd", "ends inside a character"),
        (b"\x00\x89\xff" * 9, "line 1 holds a NUL byte: it is no text file"),
        (b"\x89ab\n\0", "line 2 holds a NUL byte: it is no text file"),
        (b"PK\x03\x04\x14\x08\x08word/document.xml", "no text but a zip archive, as .docx"),
        (b"%PDF-1.4\n%\xe2\xe3", "no text but a PDF"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "no text but packed by zstd"),
        (save({"a": np.zeros(3)}), "no text but a safetensors file"),
    ],
)
def test_what_is_no_text_is_named_by_its_line(data: bytes, said: str, tmp_path: Path) -> None:
    """Bug: iconv is advised for a .docx, or the weights of a model are taken for text."""
    with pytest.raises(KdcError, match=said):
        list(Stream(write(tmp_path / "text", data)).text())


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert list(Stream(write(tmp_path / "t", b"\xef\xbb\xbfa")).text()) == ["a"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="cannot read"):
        list(Stream(tmp_path / "none").pieces())
