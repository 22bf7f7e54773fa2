"""The picture of a long run: the latency of each minute."""

from collections.abc import Mapping, Sequence

from kdc.export.report.document import Run
from kdc.export.report.svg import (
    WIDTH,
    Picture,
    bottom_axis,
    element,
    fitting,
    label,
    left_axis,
    path,
)

_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 46.0, 14.0, 36.0, 46.0, 270.0


def drift_lines(runs: Sequence[Run], colours: Mapping[str, str]) -> Picture | None:
    """Draw the p50 of wall time (whole lines) and CPU time (dashed) by minute, from 0.

    None where no run was long enough to tell.
    """
    every = [(run, run.drift.by_minute) for run in runs if run.drift and run.drift.by_minute]
    values = [ms for _, rows in every for row in rows for ms in row[1:] if ms is not None]
    if not values:
        return None
    minutes = [row[0] for _, rows in every for row in rows]
    across = fitting(minutes, _LEFT, WIDTH - _RIGHT, margin=0.03)
    up = fitting([0.0, *values], _HEIGHT - _BOTTOM, _TOP, zero=True)
    body = [
        left_axis(up, _LEFT, WIDTH - _RIGHT, "p50, ms: wall (line), CPU (dashes)"),
        bottom_axis(across, _TOP, _HEIGHT - _BOTTOM, "minute"),
    ]
    for run, rows in every:
        for column, kind in ((1, "trend"), (2, "trend dashed")):
            spots = [(across(row[0]), up(ms)) for row in rows if (ms := row[column]) is not None]
            if len(spots) > 1:
                body.append(path(spots, f"{kind} {colours[run.model]}"))
            body += [
                element("circle", cx=x, cy=y, r=2, class_=colours[run.model]) for x, y in spots
            ]
            if spots and column == 1:
                x, y = spots[-1]
                body.append(label(x, y - 8, run.model, "name", "end"))
    said = ", ".join(run.model for run, _ in every)
    return Picture(WIDTH, _HEIGHT, "".join(body), f"latency by minute: {said}")
