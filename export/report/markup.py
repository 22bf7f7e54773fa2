"""Markup of a page: tables, figures and sentences, with everything that was given escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from kdc.export.report.cells import NOTHING, Cell, Table
from kdc.export.report.figures import Figure, Stack
from kdc.export.report.svg import element

_TEXTS = ("text", "second text")
_NAMES = ("model", "against", "path", "sha256")
_STAR = '<span class="star">★</span>'


def section(title: str, *parts: str) -> str:
    """Return a section under its heading."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def heading(words: str) -> str:
    """Return a heading inside a section."""
    return f"<h3>{escape(words)}</h3>"


def note(words: str) -> str:
    """Return what explains a table or a picture, as sentences."""
    return f'<p class="note">{escape(words[:1].upper() + words[1:])}.</p>'


def grid(figures: Iterable[Figure | None]) -> str:
    """Return figures side by side where there is room."""
    shown = "".join(_figure(figure) for figure in figures if figure is not None)
    return f'<div class="grid2">{shown}</div>' if shown else ""


def stacked(stack: Stack) -> str:
    """Return stacked bars under the legend of their colours."""
    entries = "".join(
        f'<li><i class="{colour}"></i>{escape(name)}</li>' for name, colour in stack.legend.items()
    )
    return f'<ul class="legend">{entries}</ul>{grid([stack.figure])}'


def shown(table: Table) -> str:
    """Return a table; numbers stand at the right, rows that are marked with a star are tinted."""
    first = 1 if table.columns[:1] == ("",) else 0  # a column of stars, which go to the names
    kinds = [_kind(table, place) for place in range(first, len(table.columns))]
    titled = zip(table.columns[first:], kinds, strict=True)
    head = "".join(element("th", escape(name), class_=kind, scope="col") for name, kind in titled)
    body = "".join(_row(row[first:], kinds, row[0].text == "*") for row in table.rows)
    inside = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def _figure(figure: Figure) -> str:
    about = f" <small>{escape(figure.about)}</small>" if figure.about else ""
    caption = f"<figcaption>{escape(figure.title)}{about}</figcaption>" if figure.title else ""
    return f"<figure>{caption}{figure.picture}</figure>"


def _row(row: Sequence[Cell], kinds: Sequence[str | None], starred: bool) -> str:
    cells = [_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
    if starred:
        cells[0] = cells[0].replace(">", f">{_STAR} ", 1)
    return element("tr", "".join(cells), class_="best" if starred else None)


def _cell(cell: Cell, kind: str | None) -> str:
    text = f"<b>{escape(cell.text)}</b>" if cell.strong else escape(cell.text)
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    return element("td", (text + small) or " ", class_=kind)


def _kind(table: Table, place: int) -> str | None:
    """Return how a column is set: as running text, as a name, as numbers or as words."""
    name = table.columns[place]
    if name in _TEXTS or name in _NAMES:
        return "text" if name in _TEXTS else "name"
    cells = [row[place].text for row in table.rows]
    return "n" if any(cells) and all(map(_is_number, cells)) else None


def _is_number(text: str) -> bool:
    digits = text.removesuffix(" %").replace(",", "").replace(".", "")
    return text in ("", NOTHING, "refused") or digits.isdigit()
