"""The picture of all models: score against size and score against latency, the front drawn."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from kdc.export.report.pareto import Point, Setting, front
from kdc.export.report.placement import Box, place
from kdc.export.report.svg import (
    WIDTH,
    Picture,
    Scale,
    bottom_axis,
    element,
    fitting,
    label,
    left_axis,
    line,
    path,
    width_of,
)
from kdc.export.report.tables import setting_words

_HEIGHT = 360.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 12.0, 34.0, 46.0
_RADIUS = 5.5
_GAP, _MARGIN = 20.0, 12.0  # between and around pictures that stand side by side
_Cost = Callable[[Point], float]
_Spot = tuple[float, float]


def tradeoff(setting: Setting) -> list[Picture]:
    """Draw score against size and against latency; without scores, latency against size.

    Args:
        setting: models that were measured in one way, under short names.

    Returns:
        Two pictures that stand side by side, or one.
    """
    scored = [point for point in setting.points if point.score is not None]
    size, latency = _size_title(setting), _latency_title(setting)
    latency_of = _millions if setting.clock == "instructions" else _p50
    if not scored:
        return [_picture(setting.points, _bytes, latency_of, (size, latency), higher=False)]
    metric = scored[0].score.metric if scored[0].score else ""
    title = f"{metric} %"
    return [
        _picture(scored, cost, _value, (bottom, title), higher=True)
        for cost, bottom in ((_bytes, size), (latency_of, latency))
    ]


def overview(setting: Setting) -> Picture:
    """Draw a setting's pictures as one, over the words for how it was measured."""
    return side_by_side(tradeoff(setting), setting_words(setting))


def side_by_side(pictures: Sequence[Picture], below: str) -> Picture:
    """Put pictures beside each other, as one, over a line that says what they are of."""
    groups = [
        element("g", one.body, transform=f"translate({_MARGIN + index * (WIDTH + _GAP):g} 0)")
        for index, one in enumerate(pictures)
    ]
    width = len(pictures) * (WIDTH + _GAP) - _GAP + 2 * _MARGIN
    height = pictures[0].height + 30
    told = label(_MARGIN + 4, height - 14, below, "faint")
    return Picture(width, height, "".join([*groups, told]), pictures[0].title)


def _size_title(setting: Setting) -> str:
    return "model size, zipped, MB" if setting.zipped else "model size, MB"


def _latency_title(setting: Setting) -> str:
    if setting.clock == "instructions":
        return "million instructions of a text: a proxy, no time"
    return "latency p50, ms" if setting.clock == "wall" else "CPU time p50, ms"


def _picture(
    points: Sequence[Point],
    cost: _Cost,
    value: _Cost,
    titles: tuple[str, str],
    higher: bool,
) -> Picture:
    """Draw points by what they cost and what they give; `higher` says that more of it is better."""
    across = fitting([cost(point) for point in points], _LEFT, WIDTH - _RIGHT, margin=0.12)
    ends = [end for point in points for end in _ends(point, value, higher)]
    up = fitting(ends, _HEIGHT - _BOTTOM, _TOP)
    places = [(across(cost(point)), up(value(point))) for point in points]
    steps = _frontier(points, places, cost, value, higher)
    whiskers = [
        _whisker(point, spot, up, higher) for point, spot in zip(points, places, strict=True)
    ]
    body = [
        left_axis(up, _LEFT, WIDTH - _RIGHT, titles[1]),
        bottom_axis(across, _TOP, _HEIGHT - _BOTTOM, titles[0]),
        path(steps, "front") if steps else "",
        *(line(*ends, "whisker") for ends in whiskers if ends),
        *(_mark(point, *spot) for point, spot in zip(points, places, strict=True)),
        _labels(points, places, _boxes(steps)),
    ]
    said = ", ".join(point.model for point in points)
    return Picture(WIDTH, _HEIGHT, "".join(body), f"{titles[1]} by {titles[0]}: {said}")


def _ends(point: Point, value: _Cost, higher: bool) -> list[float]:
    """Return the values that have to fit: the interval where there is one."""
    score = point.score if higher else None
    return [value(point)] if score is None else [100 * score.low, 100 * score.high]


def _frontier(
    points: Sequence[Point], places: Sequence[_Spot], cost: _Cost, value: _Cost, higher: bool
) -> list[_Spot]:
    """Return the steps from the cheapest to the best of these two axes' own front."""
    sign = -1.0 if higher else 1.0
    best = front([(cost(point), sign * value(point)) for point in points])
    corners = sorted({spot for spot, is_best in zip(places, best, strict=True) if is_best})
    steps = corners[:1]
    for x, y in corners[1:]:
        steps += [(x, steps[-1][1]), (x, y)]
    return steps if len(corners) > 1 else []


def _whisker(
    point: Point, spot: _Spot, up: Scale, higher: bool
) -> tuple[float, float, float, float] | None:
    """Return both ends of the score's interval: x, top, x, bottom."""
    if point.score is None or not higher:
        return None
    return spot[0], up(100 * point.score.high), spot[0], up(100 * point.score.low)


def _mark(point: Point, x: float, y: float) -> str:
    return element("circle", cx=x, cy=y, r=_RADIUS, class_="best" if point.front else "other")


def _labels(points: Sequence[Point], places: Sequence[_Spot], lines: Sequence[Box]) -> str:
    widths = [width_of(point.model) for point in points]
    frame = Box(_LEFT, _TOP - 14, WIDTH - 2, _HEIGHT - _BOTTOM)
    boxes = place(places, widths, frame, [_RADIUS] * len(points), lines)
    return "".join(
        label(box.left, box.bottom - 3, point.model, "name" if point.front else "name faint")
        for point, box in zip(points, boxes, strict=True)
    )


def _boxes(steps: Sequence[_Spot]) -> list[Box]:
    """Return what lines from corner to corner cover."""
    return [
        Box(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
        for a, b in pairwise(steps)
    ]


def _bytes(point: Point) -> float:
    return point.bytes / 1e6


def _p50(point: Point) -> float:
    return point.p50


def _millions(point: Point) -> float:
    return point.p50 / 1e6


def _value(point: Point) -> float:
    return 100 * point.score.value if point.score else 0.0
