"""An app's icon: the first letter of its name, in square dots on its colour, as SVG and as PNG.

The letters are drawn here, dot by dot, so that the icon needs no font and looks the same
everywhere. A name that begins with no Latin letter and no digit gets a pattern of its own.
"""

import hashlib
import struct
import unicodedata
import zlib

_GLYPHS = {  # 5 x 7 dots, a row in 5 bits, top row first
    "A": "0e11111f111111", "B": "1e11111e11111e", "C": "0e11101010110e", "D": "1e11111111111e",
    "E": "1f10101e10101f", "F": "1f10101e101010", "G": "0e11101713110f", "H": "1111111f111111",
    "I": "0e04040404040e", "J": "0702020202120c", "K": "11121418141211", "L": "1010101010101f",
    "M": "111b1515111111", "N": "11191513111111", "O": "0e11111111110e", "P": "1e11111e101010",
    "Q": "0e11111115120d", "R": "1e11111e141211", "S": "0f10100e01011e", "T": "1f040404040404",
    "U": "1111111111110e", "V": "11111111110a04", "W": "1111111515150a", "X": "11110a040a1111",
    "Y": "11110a04040404", "Z": "1f01020408101f", "0": "0e11131519110e", "1": "040c040404040e",
    "2": "0e11010204081f", "3": "1f02040201110e", "4": "02060a121f0202", "5": "1f101e0101110e",
    "6": "0608101e11110e", "7": "1f010204080808", "8": "0e11110e11110e", "9": "0e11110f01020c",
}  # fmt: skip
_ROWS, _COLUMNS = 7, 5
_GRID = 12  # dots across the icon; the letter lies within the circle of 80 % that no mask cuts off
_LEFT, _TOP = 3.5, 2.5  # of the letter, in dots
_DOT = 0.86  # of a dot's place


def draw_svg(name: str, colour: str) -> str:
    """Return the icon as an SVG document.

    Args:
        name: the app's name; none of it but its letter's shape is in the picture.
        colour: `#rrggbb`.
    """
    gap = (1 - _DOT) / 2
    dots = "".join(
        f'<rect x="{x + gap:g}" y="{y + gap:g}" width="{_DOT:g}" height="{_DOT:g}" rx=".15"/>'
        for x, y in _dots(name)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_GRID} {_GRID}">'
        f'<rect width="{_GRID}" height="{_GRID}" fill="{colour}"/><g fill="#fff">{dots}</g></svg>\n'
    )


def draw_png(name: str, colour: str, size: int) -> bytes:
    """Return the icon as a PNG of `size` x `size` pixels, two colours from a palette."""
    lit = [bytearray(size) for _ in range(size)]
    gap = (1 - _DOT) / 2
    for x, y in _dots(name):
        left, right, top, bottom = (
            round(at * size / _GRID) for at in (x + gap, x + 1 - gap, y + gap, y + 1 - gap)
        )
        for row in lit[top:bottom]:
            row[left:right] = b"\1" * (right - left)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in lit), 9)
    header = struct.pack(">IIBBBBB", size, size, 8, 3, 0, 0, 0)  # 8 bits, palette
    palette = bytes.fromhex(colour.removeprefix("#")) + b"\xff\xff\xff"
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _dots(name: str) -> list[tuple[float, float]]:
    """Return the upper left corner of each lit dot, in dots of the grid."""
    rows = _rows(name)
    return [
        (_LEFT + column, _TOP + row)
        for row in range(_ROWS)
        for column in range(_COLUMNS)
        if rows[row] >> (_COLUMNS - 1 - column) & 1
    ]


def _rows(name: str) -> bytes:
    letter = unicodedata.normalize("NFKD", name[:1]).upper()[:1]
    if letter in _GLYPHS:
        return bytes.fromhex(_GLYPHS[letter])
    halves = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:_ROWS]
    # three bits a row and their mirror image: whatever the script, it looks like a sign
    return bytes((half & 7) << 2 | (half >> 1 & 1) << 1 | (half >> 2 & 1) for half in halves)
