"""Tables on a narrow terminal: too many columns become rows, so that no figure is broken in two."""

from collections.abc import Sequence
from dataclasses import replace

from kdc.export.report.cells import Cell, Table

_BETWEEN, _EDGE = 3, 1  # columns of a terminal beside each column's text, and once more
_RUNNING = 48  # characters; what is longer is a text, which may be broken into lines


def fitted(table: Table, width: int | None) -> list[Table]:
    """Return a table as it fits a terminal.

    Args:
        table: any table.
        width: columns of the terminal; None for as many as are wanted.

    Returns:
        The table itself where it fits or holds running text; else tables with its columns as rows
        and as many of its rows as fit side by side.
    """
    widths = [_width(table, place) for place in range(len(table.columns))]
    running = any(len(str(cell)) > _RUNNING for row in table.rows for cell in row)
    if width is None or running or len(table.rows) == 0 or _line(widths) <= width:
        return [table]
    first = max(map(len, table.columns[1:]), default=0)
    groups: list[list[tuple[Cell, ...]]] = [[]]
    used = first + _BETWEEN + _EDGE
    for row in table.rows:
        wide = max(len(str(cell)) for cell in row) + _BETWEEN
        if groups[-1] and used + wide > width:
            groups.append([])
            used = first + _BETWEEN + _EDGE
        groups[-1].append(row)
        used += wide
    turned = [_turned(table, group) for group in groups]
    return [
        replace(one, title=table.title if not index else "") for index, one in enumerate(turned)
    ]


def _turned(table: Table, rows: Sequence[tuple[Cell, ...]]) -> Table:
    """Return rows as columns, each under its own first cell."""
    columns = (table.columns[0], *(str(row[0]) for row in rows))
    body = [
        (Cell(name), *(row[place] for row in rows))
        for place, name in enumerate(table.columns)
        if place > 0
    ]
    return Table(table.title, columns, body, table.note)


def _width(table: Table, place: int) -> int:
    cells = [str(row[place]) for row in table.rows]
    return max(map(len, (table.columns[place], *cells)))


def _line(widths: Sequence[int]) -> int:
    return sum(widths) + _BETWEEN * len(widths) + _EDGE
