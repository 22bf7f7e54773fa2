import re
import struct
import xml.etree.ElementTree as ET
import zlib

import pytest

from kdc.export.bundle.icon import draw_png, draw_svg

BLUE = "#2454c6"


def pixels(png: bytes) -> list[bytes]:
    """Decode a PNG of one palette, chunk by chunk, every checksum compared."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    rest = png[8:]
    while rest:
        (size,) = struct.unpack(">I", rest[:4])
        kind, data = rest[4:8], rest[8 : 8 + size]
        assert struct.unpack(">I", rest[8 + size : 12 + size]) == (zlib.crc32(kind + data),)
        chunks[kind], rest = data, rest[12 + size :]
    width, height, depth, colours, *others = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (width, depth, colours, others) == (height, 8, 3, [0, 0, 0])
    assert chunks[b"PLTE"] == bytes.fromhex(BLUE[1:]) + b"\xff\xff\xff"
    rows = zlib.decompress(chunks[b"IDAT"])
    assert len(rows) == height * (width + 1)
    return [rows[at + 1 : at + 1 + width] for at in range(0, len(rows), width + 1)]


@pytest.mark.parametrize("size", [48, 192, 512])
def test_the_picture_shows_the_letter(size: int) -> None:
    """An F has its strokes on the left and the top; a slip in the bits would mirror it."""
    rows = pixels(draw_png("Film", BLUE, size))
    lit = [(x, y) for y, row in enumerate(rows) for x, dot in enumerate(row) if dot]
    middle = size / 2
    left = sum(1 for x, _ in lit if x < middle) / len(lit)
    top = sum(1 for _, y in lit if y < middle) / len(lit)
    assert left > 0.6 and top > 0.6


@pytest.mark.parametrize("name", ["Film", "éclair", "7up", "天气", "", "\ud800"])
def test_what_a_round_mask_cuts_off_is_background(name: str) -> None:
    """Launchers cut icons to circles of 80 %: a letter at the edge would lose a leg."""
    size = 192
    for y, row in enumerate(pixels(draw_png(name, BLUE, size))):
        for x, dot in enumerate(row):
            far = ((x + 0.5 - size / 2) ** 2 + (y + 0.5 - size / 2) ** 2) ** 0.5
            assert not dot or far < 0.4 * size


def test_an_accent_and_small_letters_change_nothing() -> None:
    assert draw_png("éclair", BLUE, 48) == draw_png("E", BLUE, 48) != draw_png("F", BLUE, 48)


def test_names_of_other_scripts_look_different() -> None:
    """All of them as one sign would make two apps one."""
    assert len({draw_png(name, BLUE, 48) for name in ("天气", "음악", "музыка", "🎵")}) == 4


@pytest.mark.parametrize("name", ["Film", "天气", '"><script>'])
def test_the_drawing_is_the_picture(name: str) -> None:
    root = ET.fromstring(draw_svg(name, BLUE))
    ns = "{http://www.w3.org/2000/svg}"
    dots = root.findall(f"{ns}g/{ns}rect")
    size = 12 * 40
    rows = pixels(draw_png(name, BLUE, size))
    area = sum(float(dot.attrib["width"]) * float(dot.attrib["height"]) for dot in dots) / 144
    assert sum(map(sum, rows)) / size**2 == pytest.approx(area, rel=0.05)
    for dot in dots:
        x, y = (float(dot.attrib[at]) + float(dot.attrib["width"]) / 2 for at in "xy")
        assert rows[int(y * 40)][int(x * 40)] == 1
    assert re.findall(r"script", draw_svg(name, BLUE)) == []
