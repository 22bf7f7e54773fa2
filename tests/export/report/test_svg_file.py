from xml.etree import ElementTree

from kdc.export.report.style import LIGHT
from kdc.export.report.svg import Picture, element
from kdc.export.report.svg_file import svg_file

_SPACE = "{http://www.w3.org/2000/svg}"


def test_a_file_needs_no_page() -> None:
    """Bug: black shapes on whatever lies behind, 300 pixels wide, of no namespace: no picture."""
    dot = element("circle", cx=5, cy=6, r=2, class_="best")
    root = ElementTree.fromstring(svg_file(Picture(90, 30, dot, "one & two"), "Roboto"))
    assert root.tag == f"{_SPACE}svg"
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("90", "30", "0 0 90 30")
    title, style, paper, drawn = root
    assert (title.tag, title.text) == (f"{_SPACE}title", "one & two")  # first: it is read aloud
    assert "font-family:Roboto" in str(style.text) and f"fill:{LIGHT['accent']}" in str(style.text)
    assert (paper.get("width"), paper.get("fill")) == ("100%", LIGHT["card"])
    assert drawn.get("class") == "best"
