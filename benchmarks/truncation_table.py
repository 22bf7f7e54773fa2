"""The truncation benchmark's table and picture: how good a student is, over bytes per token."""

from collections.abc import Sequence
from typing import Any

from truncation_cells import WAYS

from kdc.compress.spread import Spread, spread
from kdc.export.report.svg import Picture, Scale, bottom_axis, element, label, left_axis, line
from kdc.export.report.svg_file import svg_file

_WIDTH, _HEIGHT = 640.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 150.0, 40.0, 330.0
_NOTHING = 0.5  # bytes: where hard labels stand on an axis that has no 0
Cell = dict[str, Any]
_FIGURES = {
    "loss": ("held-out loss", ".4f", 1.0),
    "accuracy": ("accuracy %", ".2f", 100.0),
    "divergence": ("KL from the teacher", ".4f", 1.0),
    "ece": ("ECE %", ".2f", 100.0),
}


def table(setup: dict[str, Any], cells: Sequence[Cell]) -> list[str]:
    """Return Markdown: a row a way, and what follows from it."""
    titles = ["learns from", "bytes a token", *(title for title, _, _ in _FIGURES.values())]
    lines = [f"| {' | '.join([*titles, 'gradient error', 'CPU s'])} |"]
    lines.append("|---" * (len(titles) + 2) + "|")
    for way, told in WAYS.items():
        done = [cell for cell in cells if cell["way"] == way]
        if done:
            lines.append(f"| {' | '.join([told.about, *_row(done)])} |")
    if cells:
        lines.append(f"| the teacher itself | - | {' | '.join(_teacher(cells[0]))} | - | - |")
    sizes = ", ".join(f"{name} {value}" for name, value in setup.items())
    note = "± is the standard deviation over the seeds (n - 1), whose number stands in parentheses;"
    note += " `gradient error` is that of `kdc label --verify` for a student near the teacher."
    return [*lines, "", *_follows(cells), "", f"{note} Setup: {sizes}."]


def _row(done: list[Cell]) -> list[str]:
    found = [_number(sum(cell["bytes_per_token"] for cell in done) / len(done))]
    for name, (_, form, factor) in _FIGURES.items():
        found.append(_cell(spread(factor * cell[name] for cell in done), form))
    error = done[0].get("gradient_error", {}).get("trained")
    return [*found, "-" if error is None else f"{error:.3f}", f"{done[0]['cpu_seconds']:.0f}"]


def _teacher(cell: Cell) -> list[str]:
    values = [cell.get(f"teacher_{name}") for name in _FIGURES]
    forms = list(_FIGURES.values())
    return [
        "0" if value is None else f"{factor * value:{form}}"
        for value, (_, form, factor) in zip(values, forms, strict=True)
    ]


def _follows(cells: Sequence[Cell]) -> list[str]:
    """Say which ways are within the noise of the full softmax, seed by seed."""
    full = {cell["seed"]: cell for cell in cells if cell["way"] == "full"}
    lines = []
    for way in WAYS:
        pairs = [(x, full[x["seed"]]) for x in cells if x["way"] == way and x["seed"] in full]
        gaps = spread(one["divergence"] - other["divergence"] for one, other in pairs)
        if way == "full" or gaps is None:
            continue
        std = "" if gaps.std is None else f" ± {gaps.std:.4f}"
        lines.append(f"* {way}: KL from the teacher {gaps.mean:+.4f}{std} beside the full softmax")
    return lines


def picture(cells: Sequence[Cell]) -> str:
    """Return an SVG of its own: divergence from the teacher over bytes per token, a dot a seed."""
    values = [cell["divergence"] for cell in cells]
    across = [max(_NOTHING, cell["bytes_per_token"]) for cell in cells]
    room = 0.08 * (max(values) - min(values)) or 0.01
    x = Scale(_NOTHING / 1.3, 1.5 * max(across), _LEFT, _WIDTH - _RIGHT, log=True)
    y = Scale(min(values) - room, max(values) + room, _BOTTOM, _TOP)
    parts = [bottom_axis(x, _TOP, _BOTTOM, "bytes per token of the corpus (hard labels: none)")]
    parts.append(left_axis(y, _LEFT, _WIDTH - _RIGHT, "KL(teacher || student), held out, nats"))
    parts.append(line(x(8), _TOP, x(8), _BOTTOM, "axis"))
    for number, way in enumerate(WAYS):
        done = [cell for cell in cells if cell["way"] == way]
        for cell in done:
            at = x(max(_NOTHING, cell["bytes_per_token"]))
            kind = f"s{number}"
            parts.append(element("circle", cx=at, cy=y(cell["divergence"]), r=5, class_=kind))
        if done:
            top = _TOP + 20 * number
            parts.append(element("circle", cx=_WIDTH - 138, cy=top, r=5, class_=f"s{number}"))
            parts.append(label(_WIDTH - 128, top + 4, way, "ink"))
    return svg_file(Picture(_WIDTH, _HEIGHT, "".join(parts), "KL over bytes per token"))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _cell(found: Spread | None, form: str) -> str:
    assert found is not None
    deviation = "" if found.std is None else f" ± {found.std:{form}}"
    return f"{found.mean:{form}}{deviation} ({found.n})"
