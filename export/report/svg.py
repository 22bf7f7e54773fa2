"""Pictures as SVG, by hand: elements whose every text is escaped, scales, and an axis.

Colours are classes (`s0` to `s9`, `ink`, `faint`, ...), which the page and the PNG fill in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH = 460.0
"""Of every picture in its own units: about a phone's width, or half a screen's."""
_WIDE = "mwMWGOQ@%—…"
_POWERS = 1e9  # that a logarithmic axis has room for
_NARROW = "iljtfrI.,:;'|!()[] -"


@dataclass(frozen=True)
class Picture:
    """An SVG in the making."""

    width: float
    height: float
    body: str
    title: str
    """What a screen reader says of it."""

    def __str__(self) -> str:
        """Return the element."""
        title = element("title", escape(self.title))
        box = f"0 0 {self.width:g} {self.height:g}"
        return element("svg", title + self.body, viewBox=box, role="img")


@dataclass(frozen=True)
class Scale:
    """Where a value lies."""

    low: float
    high: float
    start: float
    """Place of `low`, in the picture's units."""
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value; what lies outside is drawn at the edge."""
        value = min(max(value, self.low), self.high)
        share = (self._of(value) - self._of(self.low)) / (self._of(self.high) - self._of(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values inside, about five of them."""
        found = _log_ticks(self.low, self.high) if self.log else []
        return found if len(found) >= 2 else _ticks(self.low, self.high)

    def _of(self, value: float) -> float:
        return log10(value) if self.log else value


def fitting(
    values: Sequence[float], start: float, end: float, margin: float = 0.08, zero: bool = False
) -> Scale:
    """Return a scale on which values fit: logarithmic where the largest is 12 times the least.

    Args:
        values: at least one.
        start: place of the least.
        end: place of the largest.
        margin: room at both ends, as a share.
        zero: begin at 0 where it is not logarithmic.
    """
    low, high = min(values), max(values)
    if low > 0 and high >= 12 * low:
        low = max(low, high / _POWERS)
        spread = (high / low) ** margin
        return Scale(low / spread, high * spread, start, end, log=True)
    room = (high - low) * margin or abs(high) * 0.2 or 1.0
    least = low - room if low < 0 else max(0.0, low - room)
    return Scale(0.0 if zero else least, high + room, start, end)


def element(name: str, content: str = "", **attributes: object) -> str:
    """Return an element; `class_` is `class`, and `_` in other names is `-`.

    Args:
        name: its name.
        content: markup that is already escaped.
        attributes: values, numbers with at most two digits after the point; None is left out.
    """
    told = "".join(
        f' {_attribute(key)}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def label(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return a text whose baseline starts, is centred or ends at a place."""
    return element("text", escape(words), x=x, y=y, class_=kind or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def rectangle(x: float, y: float, width: float, height: float, kind: str, hint: str = "") -> str:
    """Return a filled rectangle; a pointer that rests on it is told `hint`."""
    inside = element("title", escape(hint)) if hint else ""
    return element("rect", inside, x=x, y=y, width=max(0.0, width), height=height, class_=kind)


def path(points: Sequence[tuple[float, float]], kind: str, closed: bool = False) -> str:
    """Return straight lines from point to point."""
    steps = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    return element("path", d=f"M{steps}{'Z' if closed else ''}", class_=kind)


def bottom_axis(scale: Scale, top: float, bottom: float, title: str) -> str:
    """Return an axis below: grid lines, numbers, and what they mean."""
    parts = [line(scale.start, bottom, scale.end, bottom, "axis")]
    for tick in scale.ticks():
        x = scale(tick)
        parts += [line(x, top, x, bottom, "grid"), label(x, bottom + 15, brief(tick), "", "middle")]
    middle = (scale.start + scale.end) / 2
    return "".join([*parts, label(middle, bottom + 33, title, "ink", "middle")])


def left_axis(scale: Scale, left: float, right: float, title: str) -> str:
    """Return an axis at the left; its title stands above it, where it can be read."""
    parts = [label(4, scale.end - 12, title, "ink")]
    for tick in scale.ticks():
        y = scale(tick)
        parts += [line(left, y, right, y, "grid"), label(left - 6, y + 4, brief(tick), "", "end")]
    return "".join(parts)


def width_of(words: str) -> float:
    """Guess how wide a text is at 12 units, in a font that is rather wide."""
    return sum(11.0 if c in _WIDE else 4.2 if c in _NARROW else 7.3 for c in words)


def brief(value: float) -> str:
    """Print a round number as an axis shows it."""
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            return f"{value / float(_power(unit)):g}{unit}"
    return f"{value:.6g}"


def _power(unit: str) -> float:
    return {" G": 1e9, " M": 1e6, " k": 1e3}[unit]


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    steps = (1,) if high / low > 3000 else (1, 3) if high / low > 90 else (1, 2, 5)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    values = (step * 10.0**power for power in powers for step in steps)
    return [float(f"{value:.6g}") for value in values if low <= value <= high]


def _attribute(name: str) -> str:
    return name if name == "viewBox" else name.rstrip("_").replace("_", "-")


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
