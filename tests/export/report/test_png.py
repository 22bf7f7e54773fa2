import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.report.png import check_png, draw, write_png
from kdc.export.report.reader import read_document
from kdc.export.report.svg import Picture
from tests.bench_documents import document


def _size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    write_png(tmp_path / "picture.png", read_document(document(), "it"))
    width, height = _size((tmp_path / "picture.png").read_bytes())
    assert width > 2 * height > 1000


def test_words_are_drawn_on_a_machine_without_fonts() -> None:
    """Without fonts resvg leaves every text out and says nothing."""
    pytest.importorskip("resvg_py")
    blank = Picture(90, 30, "", "")
    words = replace(blank, body='<text x="4" y="20">ms</text>')
    drawn = draw(words, system_fonts=False)
    assert _size(drawn) == (225, 75)
    assert len(drawn) > 1.5 * len(draw(blank, system_fonts=False))


def test_a_missing_package_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(KdcError, match=r"resvg-py, .*: pip install 'kdc\[pictures\]'"):
        check_png()


def test_nothing_to_draw_is_told(tmp_path: Path) -> None:
    report = read_document(document(runs=[], versus=[], quality=[]), "it")
    with pytest.raises(KdcError, match="nothing to draw"):
        write_png(tmp_path / "picture.png", report)
    assert not list(tmp_path.iterdir())
