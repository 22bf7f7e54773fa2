import re
import xml.etree.ElementTree as ET
from math import log10

import numpy as np
import pytest

from kdc.export.report.placement import Box, place
from kdc.export.report.svg import Picture, Scale, brief, element, fitting, label, path


def test_a_scale_is_linear_or_logarithmic() -> None:
    scale = Scale(10.0, 1000.0, 0.0, 100.0, log=True)
    for value in (10.0, 20.0, 1000.0):
        assert scale(value) == pytest.approx(100 * (log10(value) - 1) / 2)
    assert Scale(0.0, 4.0, 100.0, 0.0)(1.0) == 75.0
    assert scale(1e9) == 100.0 and scale(0.1) == 0.0


@pytest.mark.parametrize(
    "values",
    [[1.0], [0.0], [5.0, 5.0], [0.001, 0.002], [0.2, 400.0], [1e-6, 1e9], [0.0, 3.0], [-1, 1]],
)
def test_any_values_get_an_axis(values: list[float]) -> None:
    """One model, two equal ones, or nine powers of ten: never a division by zero."""
    scale = fitting(values, 0.0, 100.0)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 20
    assert all(scale.low <= tick <= scale.high * 1.000001 for tick in ticks)
    assert all(0 <= scale(value) <= 100 for value in values)
    assert scale.log == (min(values) > 0 and max(values) / min(values) >= 12)


@pytest.mark.parametrize("high", np.geomspace(1.001, 11.9, 25).tolist())
def test_ticks_are_round_and_evenly_spaced(high: float) -> None:
    ticks = fitting([1.0, high], 0.0, 100.0).ticks()
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    assert re.fullmatch(
        r"[125]0*|2?5", f"{steps[0]:.6e}".split("e")[0].replace(".", "").rstrip("0")
    )


def test_axes_show_short_numbers() -> None:
    shown = [brief(value) for value in (0.05, 2.5, 300.0, 20_000.0, 2e7, 3e9)]
    assert shown == ["0.05", "2.5", "300", "20 k", "20 M", "3 G"]


def test_texts_cannot_leave_their_element() -> None:
    """A model called </text><script> must be a name, in the page and in the picture."""
    nasty = "</text><script>alert(1)</script>&\"'"
    picture = str(Picture(10.0, 10.0, label(0, 0, nasty) + element("g", "", id=nasty), nasty))
    root = ET.fromstring(picture)
    assert [part.tag for part in root] == ["title", "text", "g"]
    assert root[1].text == nasty and root[0].text == nasty and root[2].get("id") == nasty


def test_a_path_goes_through_its_points() -> None:
    assert path([(0.0, 1.0), (2.25, 3.0)], "line") == '<path d="M0 1L2.25 3" class="line"/>'
    assert path([(0.0, 1.0), (2.0, 3.0)], "line", closed=True).count("Z") == 1


def _overlaps(boxes: list[Box]) -> int:
    pairs = ((a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    return sum(a.overlap(b) > 1 for a, b in pairs)


def test_names_of_spread_points_overlap_nothing() -> None:
    """Names on top of each other were what made the first pictures unreadable."""
    rng = np.random.default_rng(0)
    frame = Box(40.0, 20.0, 458.0, 314.0)
    for _ in range(20):
        points = [(float(x), float(y)) for x, y in rng.uniform((60, 40), (440, 300), (8, 2))]
        boxes = place(points, [60.0] * 8, frame, [5.5] * 8)
        assert _overlaps(boxes) == 0
        assert all(box.outside(frame) == 0 for box in boxes)


def test_names_of_a_crowd_overlap_less_than_without_a_choice() -> None:
    points = [(200.0 + 9 * index, 150.0 - 4 * index) for index in range(6)]
    boxes = place(points, [70.0] * 6, Box(40.0, 20.0, 458.0, 314.0), [5.5] * 6)
    naive = [Box(x + 9, y - 6, x + 79, y + 7) for x, y in points]
    assert _overlaps(boxes) < _overlaps(naive)


def test_a_name_that_fits_nowhere_is_still_placed() -> None:
    (box,) = place([(50.0, 50.0)], [900.0], Box(0.0, 0.0, 100.0, 100.0), [5.0])
    assert box.right - box.left == 900.0
