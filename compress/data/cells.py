"""Cells of a table as text, whatever they are in the file."""

from math import isnan

from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError

_MISSING = "missing: fill it in or leave the row out"


def written(table: Table, column: int, index: int) -> str:
    """Return a cell as it would be written in a CSV file.

    Raises:
        KdcError: it is missing, no text or no Unicode (with the row).
    """
    return plain(table, column, index, table.columns[column][index])


def plain(table: Table, column: int, index: int, cell: object) -> str:
    """Return a value from a cell, or from a list in it, as it would be written in a CSV file.

    Raises:
        KdcError: as `written`.
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if not isinstance(cell, str | int | float):
        found = _MISSING if cell is None else f"a {type(cell).__name__}, not a text"
        raise KdcError(f"{table.where(index)}: '{table.header[column]}' is {found}")
    # NaN is how many libraries write that there is none
    if isinstance(cell, float) and isnan(cell):
        raise KdcError(f"{table.where(index)}: '{table.header[column]}' is NaN, so {_MISSING}")
    text = str(cell)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        name = table.header[column]
        raise KdcError(f"{table.where(index)}: '{name}' holds half a surrogate pair") from error
    return text
