"""Pictures of amounts: stacked bars, one a model, each part in its own colour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kdc.export.report.svg import WIDTH, Picture, Scale, bottom_axis, label, rectangle

_LEFT, _TOP, _BOTTOM = 8.0, 4.0, 42.0
_ROW, _BAR = 46.0, 18.0


@dataclass(frozen=True)
class Bar:
    """A row of a picture."""

    name: str
    parts: Mapping[str, float]
    """What it is made of, in the picture's unit."""
    beside: str
    """What stands at its end of the line, such as the whole."""


def stacked(bars: Sequence[Bar], colours: Mapping[str, str], title: str) -> Picture:
    """Draw bars of parts that add up.

    Args:
        bars: at least one.
        colours: the class of each part's colour.
        title: what is drawn, and its unit.
    """
    longest = max(sum(bar.parts.values()) for bar in bars) or 1.0
    scale = Scale(0.0, longest, _LEFT, WIDTH - 8)
    bottom = _TOP + _ROW * len(bars)
    body = [bottom_axis(scale, _TOP, bottom, title)]
    for index, bar in enumerate(bars):
        top = _TOP + _ROW * index
        body.append(label(_LEFT, top + 14, bar.name, "name"))
        body.append(label(WIDTH - 8, top + 14, bar.beside, "faint", "end"))
        done = 0.0
        for part, amount in bar.parts.items():
            left, right = scale(done), scale(done + amount)
            hint = f"{bar.name}: {part} {amount:.2f}"
            body.append(rectangle(left, top + 20, right - left, _BAR, f"bar {colours[part]}", hint))
            done += amount
    names = ", ".join(bar.name for bar in bars)
    return Picture(WIDTH, bottom + _BOTTOM, "".join(body), f"{title}: {names}")
