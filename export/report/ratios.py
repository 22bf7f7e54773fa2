"""The picture of models in turns: each ratio with its interval, beside the A/A control."""

from collections.abc import Sequence

from kdc.export.report.document import Interval, Versus
from kdc.export.report.svg import (
    WIDTH,
    Picture,
    Scale,
    bottom_axis,
    element,
    fitting,
    label,
    line,
    rectangle,
)

_LEFT, _TOP, _BOTTOM = 8.0, 4.0, 42.0
_ROW = 48.0


def ratios(pairs: Sequence[Versus]) -> Picture | None:
    """Draw ratios; None where every one was refused."""
    shown = [pair for pair in pairs if pair.ratio]
    ends = [value for pair in shown for value in _values(pair)]
    if not ends:
        return None
    scale = fitting([*ends, 1.0], _LEFT, WIDTH - 8)
    bottom = _TOP + _ROW * len(shown)
    several = len({pair.device for pair in shown}) > 1
    body = [bottom_axis(scale, _TOP, bottom, "times as fast (1: no difference)")]
    body.append(line(scale(1.0), _TOP, scale(1.0), bottom, "one"))
    for index, pair in enumerate(shown):
        top = _TOP + _ROW * index
        length = "natural" if pair.length == "natural" else f"{pair.length} tokens"
        device = f"{pair.device}, " if several else ""
        words = f"{pair.model} against {pair.against}, {device}{length}"
        body.append(label(_LEFT, top + 14, words, "name"))
        body.append(label(WIDTH - 8, top + 14, f"{pair.ratio:.3g}", "faint", "end"))
        body.append(_mark(scale, pair.aa_ratio, pair.aa_interval, top + 37, "control"))
        body.append(_mark(scale, pair.ratio, pair.interval, top + 27, "ratio"))
    said = ", ".join(f"{one.model} {one.ratio:.2f}" for one in shown)
    return Picture(WIDTH, bottom + _BOTTOM, "".join(body), f"how many times as fast: {said}")


def _values(pair: Versus) -> list[float]:
    intervals = [*(pair.interval or ()), *(pair.aa_interval or ())]
    return [value for value in (pair.ratio, pair.aa_ratio, *intervals) if value]


def _mark(scale: Scale, ratio: float | None, interval: Interval | None, y: float, kind: str) -> str:
    if not ratio:
        return ""
    bar = ""
    if interval is not None:
        left, right = scale(interval[0]), scale(interval[1])
        bar = rectangle(left, y - 1.5, max(right - left, 1.0), 3, kind)
    return bar + element("circle", cx=scale(ratio), cy=y, r=4, class_=kind)
