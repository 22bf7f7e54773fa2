"""Puts names beside points so that they can be read: no name on another, on a point or outside."""

from collections.abc import Sequence
from dataclasses import dataclass

_HEIGHT = 13.0  # of a line of text
_GAP = 4.0
_NEAR = 2.0  # to a line
_POINT = 7.0  # half the side of the square that a point keeps free


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Return the area that two rectangles share."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, wide) * max(0.0, high)

    def grown(self, by: float) -> "Box":
        """Return it with a margin: a line has an area then."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def outside(self, frame: "Box") -> float:
        """Return the area that lies outside of another."""
        whole = (self.right - self.left) * (self.bottom - self.top)
        return whole - self.overlap(frame)


def place(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    frame: Box,
    radii: Sequence[float],
    lines: Sequence[Box] = (),
) -> list[Box]:
    """Return a box beside each point for its name.

    Greedy, points in the middle of a crowd first: each takes the free place that is best for
    reading (right, left, above, below, then further off), or the one that covers least.

    Args:
        points: (x, y) of each.
        widths: of each name.
        frame: where names may stand.
        radii: of the points' own marks.
        lines: what names had better not cross, but may.
    """
    marks = [
        Box(x - max(r, _POINT), y - max(r, _POINT), x + max(r, _POINT), y + max(r, _POINT))
        for (x, y), r in zip(points, radii, strict=True)
    ]
    chosen: dict[int, Box] = {}
    for index in sorted(range(len(points)), key=lambda i: -_crowd(points, i)):
        taken = [*chosen.values(), *(mark for i, mark in enumerate(marks) if i != index)]
        options = _options(points[index], widths[index], radii[index])
        costs = [_cost(box, rank, taken, lines, frame) for rank, box in enumerate(options)]
        chosen[index] = options[costs.index(min(costs))]
    return [chosen[index] for index in range(len(points))]


def _cost(box: Box, rank: int, taken: Sequence[Box], lines: Sequence[Box], frame: Box) -> float:
    covered = sum(box.overlap(other) for other in taken)
    crossed = sum(box.overlap(other.grown(_NEAR)) for other in lines)
    return 4 * covered + 0.3 * crossed + 10 * box.outside(frame) + 2.5 * rank


def _crowd(points: Sequence[tuple[float, float]], index: int) -> float:
    x, y = points[index]
    return sum(1 / (1 + abs(x - a) + 3 * abs(y - b)) for a, b in points)


def _options(point: tuple[float, float], width: float, radius: float) -> list[Box]:
    x, y = point
    away, half = radius + _GAP, _HEIGHT / 2
    rows = [y, y - away - half, y + away + half, y - 2 * _HEIGHT - away, y + 2 * _HEIGHT + away]
    boxes = []
    for number, middle in enumerate(rows):
        level = number == 0
        lefts = (
            [x + away, x - away - width] if level else [x - width / 2, x - width + away, x - away]
        )
        boxes += [Box(left, middle - half, left + width, middle + half) for left in lefts]
    return boxes
