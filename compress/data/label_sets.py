"""Labels of rows that may have several: a list, names with a separator, or columns of 0 and 1."""

from kdc.compress.data.cells import plain, written
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError

Sets = list[tuple[str, ...]]
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


def has_lists(table: Table, column: int) -> bool:
    """Whether a cell of a column is a list, as JSONL and Parquet files may have them."""
    return any(isinstance(cell, list) for cell in table.columns[column])


def listed(table: Table, column: int, separator: str | None) -> Sets:
    """Take the labels of each row from one column; an empty cell, or list, is a row without any.

    Args:
        table: the rows.
        column: the place of the column.
        separator: what stands between the labels of a cell; None where the cells are lists.

    Raises:
        KdcError: a label that is empty, a cell that is no list beside lists, or a separator where
            there are lists.
    """
    if separator is not None and has_lists(table, column):
        raise KdcError(
            f"{table.source}: '{table.header[column]}' holds lists already: leave out --multi-label"
        )
    return [_set(table, column, index, separator) for index in range(len(table))]


def _set(table: Table, column: int, index: int, separator: str | None) -> tuple[str, ...]:
    cell = table.columns[column][index]
    if separator is not None:
        text = written(table, column, index)
        labels = text.split(separator) if text.strip() else []
    elif isinstance(cell, list):
        labels = [plain(table, column, index, value) for value in cell]
    else:
        name = table.header[column]
        raise KdcError(f"{table.where(index)}: '{name}' is no list, as it is in other rows")
    found = tuple(dict.fromkeys(label.strip() for label in labels))
    if "" in found:
        raise KdcError(
            f"{table.where(index)}: one of the labels is empty: leave it out; a row without any "
            "label has an empty cell, or list"
        )
    return found


def flagged(table: Table, columns: tuple[int, ...]) -> tuple[Sets, tuple[str, ...]]:
    """Take the labels of each row from columns of 0 and 1 (or false and true), one a label.

    Returns:
        The sets, and the names of all columns.

    Raises:
        KdcError: a cell that is neither 0 nor 1.
    """
    names = tuple(table.header[column].strip() for column in columns)
    sets = [
        tuple(
            name for name, column in zip(names, columns, strict=True) if _flag(table, column, index)
        )
        for index in range(len(table))
    ]
    return sets, names


def _flag(table: Table, column: int, index: int) -> bool:
    text = written(table, column, index).strip().lower()
    if text not in _FLAGS:
        raise KdcError(
            f"{table.where(index)}: '{table.header[column]}' is '{text[:80]}', and one of several "
            "columns of labels has to hold 0 or 1"
        )
    return _FLAGS[text]
