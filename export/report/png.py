"""The picture of all models as a PNG, drawn by resvg with a font of its own."""

from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.files import whole_file
from kdc.export.report.document import Report
from kdc.export.report.names import shortened
from kdc.export.report.pareto import settings
from kdc.export.report.svg import Picture
from kdc.export.report.svg_file import svg_file
from kdc.export.report.tradeoff import overview

INSTALL = "pip install 'kdc[pictures]'"
_RENDERER = "resvg_py"
_FAMILY = "Roboto"
_FONTS = ("Roboto-Regular.ttf", "Roboto-Medium.ttf")
_ZOOM = 2.5  # pixels for each unit: two pictures side by side are 2,350 wide


def check_png() -> None:
    """Raise KdcError where what draws a PNG is not installed: before anything is measured."""
    if find_spec(_RENDERER) is None:
        raise KdcError(f"--png needs the package resvg-py, which is missing: {INSTALL}")
    missing = [font for font in _fonts() if not font.is_file()]
    if missing:
        raise KdcError(f"--png needs the package font-roboto, which is missing: {INSTALL}")


def write_png(path: Path, report: Report) -> None:
    """Draw all models by score, size and latency, in the setting with most models.

    It is the page's own picture. The font comes with a package, so that a machine without any
    draws the same; the machine's own serve for what that one lacks.

    Raises:
        KdcError: nothing that could be drawn was measured, a package is missing, or the file
            cannot be written.
    """
    found = settings(shortened(report))
    if not found:
        raise KdcError("--png: no model has a size and a latency, so there is nothing to draw")
    check_png()
    data = draw(overview(found[0]))
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def draw(picture: Picture, system_fonts: bool = True) -> bytes:
    """Draw a picture on white, in the colours of the light page.

    Args:
        picture: what to draw.
        system_fonts: look for letters in the machine's own fonts too.
    """
    data: bytes = import_module(_RENDERER).svg_to_bytes(
        svg_string=svg_file(picture, _FAMILY),
        zoom=_ZOOM,
        skip_system_fonts=not system_fonts,
        font_family=_FAMILY,
        sans_serif_family=_FAMILY,
        font_files=[str(font) for font in _fonts()],
    )
    return bytes(data)


def _fonts() -> list[Path]:
    try:
        folder: Traversable = files("font_roboto") / "files"
    except ModuleNotFoundError:
        folder = Path()
    return [Path(str(folder / name)) for name in _FONTS]
