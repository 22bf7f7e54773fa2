"""A picture as a file of its own: an SVG that brings its colours, its font, its paper, its size."""

from dataclasses import replace

from kdc.export.report.style import LIGHT, picture_style
from kdc.export.report.svg import Picture, element


def svg_file(picture: Picture, font: str = "sans-serif") -> str:
    """Return a picture as a whole SVG file, in the colours of the light page.

    Args:
        picture: it may name its colours by their classes.
        font: a family, or several with commas.
    """
    style = element("style", f"text{{font-family:{font}}}{picture_style()}")
    paper = element("rect", width="100%", height="100%", fill=LIGHT["card"])
    whole = str(replace(picture, body=f"{style}{paper}{picture.body}"))
    size = f'width="{picture.width:g}" height="{picture.height:g}"'
    return whole.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {size} ', 1) + "\n"
