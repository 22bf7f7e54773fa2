from itertools import chain

from kdc.export.report.cells import Cell, Table
from kdc.export.report.narrow import fitted

COLUMNS = ("model", "p50 ms", "p95 ms", "private MB")
ROWS = [tuple(Cell(f"{name}{place}") for place in range(4)) for name in ("a", "b", "c", "d")]
TABLE = Table("runs", COLUMNS, ROWS, "a note")


def test_a_table_that_fits_or_goes_into_a_file_stays() -> None:
    assert fitted(TABLE, 200) == [TABLE]
    assert fitted(TABLE, None) == [TABLE]


def test_columns_become_rows_where_they_do_not_fit() -> None:
    """A figure folded onto two lines is read as two."""
    parts = fitted(TABLE, 28)
    assert all(part.columns[0] == "model" for part in parts)
    assert [name for part in parts for name in part.columns[1:]] == ["a0", "b0", "c0", "d0"]
    assert [str(row[0]) for row in parts[0].rows] == ["p50 ms", "p95 ms", "private MB"]
    cells = {str(cell) for part in parts for row in part.rows for cell in row[1:]}
    assert cells == {str(cell) for row in ROWS for cell in row[1:]}
    for part in parts:
        lines = [part.columns, *(tuple(map(str, row)) for row in part.rows)]
        widths = [max(len(line[place]) for line in lines) + 3 for place in range(len(part.columns))]
        assert sum(widths) + 1 <= 28


def test_the_title_is_told_once() -> None:
    parts = fitted(TABLE, 18)
    assert len(parts) > 1
    assert [part.title for part in parts] == ["runs", *[""] * (len(parts) - 1)]


def test_no_terminal_is_too_narrow() -> None:
    parts = fitted(TABLE, 1)
    assert list(chain(*(part.columns[1:] for part in parts))) == ["a0", "b0", "c0", "d0"]


def test_running_text_is_left_to_be_broken_into_lines() -> None:
    texts = Table("", ("text", "label"), [(Cell("word " * 30), Cell("a"))])
    assert fitted(texts, 40) == [texts]
    assert fitted(Table("", ("text",), []), 3)
