"""The picture of how latency spreads: a row for each model, its samples a hill with percentiles."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kdc.export.report.cells import number
from kdc.export.report.document import Clock, Run, Spread
from kdc.export.report.svg import (
    WIDTH,
    Picture,
    Scale,
    bottom_axis,
    fitting,
    label,
    line,
    path,
    rectangle,
)

Array = npt.NDArray[np.float64]
_LEFT, _TOP, _BOTTOM = 8.0, 6.0, 42.0
_ROW, _HILL = 58.0, 28.0
_BINS = 160
_SMOOTH = 0.9  # Silverman's factor
_FLAT = 0.002  # of a hill's height: what is lower is not drawn
_TITLES: dict[Clock, str] = {
    "wall": "latency of a text, ms",
    "cpu": "CPU time of a text, ms",
    "instructions": "instructions of a text: a proxy, no time",
}


def distribution(runs: Sequence[Run], clock: Clock, colours: Mapping[str, str]) -> Picture | None:
    """Draw how the samples of some runs spread; None where no run was measured by that clock.

    Where the samples were not kept, the percentiles stand alone.

    Args:
        runs: measured in one way.
        clock: what to draw.
        colours: the class of each model's colour.
    """
    rows = [(run, spread) for run in runs if (spread := run.spread(clock)) is not None]
    if not rows:
        return None
    scale = fitting(
        [end for run, spread in rows for end in _ends(run, spread, clock)], _LEFT, WIDTH - 8
    )
    bottom = _TOP + _ROW * len(rows)
    body = [bottom_axis(scale, _TOP, bottom, _TITLES[clock])]
    for index, (run, spread) in enumerate(rows):
        base = _TOP + _ROW * (index + 1) - 6
        body.append(_hill(run.kept(clock), scale, base, colours[run.model]))
        body.append(_percentiles(spread, scale, base))
        body.append(label(_LEFT, base - _HILL - 8, run.model, "name"))
        body.append(label(WIDTH - 8, base - _HILL - 8, _told(spread, clock), "faint", "end"))
    said = ", ".join(run.model for run, _ in rows)
    return Picture(WIDTH, bottom + _BOTTOM, "".join(body), f"{_TITLES[clock]}: {said}")


def _told(spread: Spread, clock: Clock) -> str:
    if clock == "instructions":
        return f"{spread.p50 / 1e6:,.1f} M"
    return f"{number(spread.p50)} ms" + (f", p99 {number(spread.p99)}" if spread.p99 else "")


def _ends(run: Run, spread: Spread, clock: Clock) -> list[float]:
    """Return what has to fit: nearly all samples, and the percentiles that are marked."""
    samples = run.kept(clock)
    low = [float(np.percentile(samples, 0.5))] if samples else []
    return [*low, spread.p50, *(p for p in (spread.p95, spread.p99) if p is not None)]


def _hill(samples: Sequence[float], scale: Scale, base: float, colour: str) -> str:
    """Draw a density, as high as every other; a hill of one sample is none."""
    height = density(samples, scale)
    if height is None:
        return line(scale.start, base, scale.end, base, "axis")
    xs = np.linspace(scale.start, scale.end, len(height))
    points = [
        (float(x), float(base - _HILL * y)) for x, y in zip(xs, height, strict=True) if y > 0.002
    ]
    if not points:
        return ""
    outline = [(points[0][0], base), *points, (points[-1][0], base)]
    return path(outline, f"hill {colour}", closed=True)


def density(samples: Sequence[float], scale: Scale) -> Array | None:
    """Estimate how dense samples lie along a scale, by a Gaussian kernel (Silverman 1986).

    Args:
        samples: in the scale's own unit.
        scale: where they are drawn; the density is that of what is seen, logarithmic or not.

    Returns:
        (160,) heights from 0 to 1, or None for fewer than 5 samples.
    """
    if len(samples) < 5:
        return None
    values = np.asarray(samples, dtype=np.float64)
    inside = values[(values >= scale.low) & (values <= scale.high)]
    if len(inside) < 5:
        return None
    seen = np.log10(inside) if scale.log else inside
    edges = np.log10([scale.low, scale.high]) if scale.log else np.array([scale.low, scale.high])
    counts, _ = np.histogram(seen, _BINS, (edges[0], edges[1]))
    quartiles = np.percentile(seen, [25, 75])
    spread = min(float(seen.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(seen.std())
    width = _SMOOTH * spread * len(seen) ** -0.2 / float(edges[1] - edges[0]) * _BINS
    kernel = _gauss(max(width, 0.8))
    smooth = np.convolve(counts, kernel, mode="same")[:_BINS]
    return np.asarray(smooth / smooth.max())


def _gauss(width: float) -> Array:
    reach = min(int(4 * width) + 1, _BINS // 2 - 1)
    steps = np.arange(-reach, reach + 1)
    return np.exp(-0.5 * (steps / width) ** 2)


def _percentiles(spread: Spread, scale: Scale, base: float) -> str:
    """Mark p50 with its interval, and p95 and p99 more faintly."""
    parts = []
    interval = spread.interval("p50")
    if interval is not None:
        low, high = scale(interval[0]), scale(interval[1])
        parts.append(rectangle(low, base + 1, max(high - low, 1.0), 4, "interval"))
    for value in (spread.p95, spread.p99):
        if value is not None:
            parts.append(line(scale(value), base - _HILL * 0.4, scale(value), base + 3, "tail"))
    parts.append(line(scale(spread.p50), base - _HILL, scale(spread.p50), base + 5, "middle"))
    return "".join(parts)
