"""CSV and TSV files.

CSV is RFC 4180, read strictly; its delimiter is the one that a first line `sep=;` names, as Excel
writes it, else whichever of `,`, `;`, tab and `|` the header line has most of, for spreadsheets
write `;` in half of Europe.

TSV is unquoted, as GLUE's files are: a quotation mark is a letter, and every line a row. It is
taken to be quoted in two cases only. Either every field with a quotation mark in it is quoted as
RFC 4180 says, with its inner marks doubled, which a text that merely contains quotations is not;
or the lines have different numbers of fields and only the quoted reading makes them equal, because
a quoted text holds a tab or a line break.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kdc.compress.data.glue import COLA_HEADER, looks_like_cola
from kdc.compress.data.table import MAX_CHARACTERS, Table
from kdc.compress.data.text_file import read_text
from kdc.compress.errors import KdcError
from kdc.compress.progress import plural

Row = tuple[int, list[str]]
"""The line a row begins on, and its fields."""

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?\r?\n', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')


def read_csv(path: Path) -> Table:
    """Read a CSV file.

    Raises:
        KdcError: no UTF-8 text, no rows, a broken quotation or a row of another width.
    """
    text = read_text(path)
    if told := _SEPARATOR.match(text):
        return _table(path, _quoted(path, text[told.end() :], told[1], first=2))
    header, _, _ = text.partition("\n")
    return _table(path, _quoted(path, text, max(_DELIMITERS, key=header.count)))


def read_tsv(path: Path) -> Table:
    """Read a TSV file; CoLA's, which have no header, are given one.

    Raises:
        KdcError: no UTF-8 text, no rows or a row of another width.
    """
    text = read_text(path)
    rows = _plain(text)
    if '"' in text:
        rows = _unquote(path, text, rows)
    if rows and looks_like_cola(rows[0][1]):
        rows.insert(0, (0, list(COLA_HEADER)))
    return _table(path, rows)


def _plain(text: str) -> list[Row]:
    lines = enumerate((line.removesuffix("\r") for line in text.split("\n")), start=1)
    return [(number, line.split("\t")) for number, line in lines if line]


def _quoted(path: Path, text: str, delimiter: str, first: int = 1) -> Iterator[Row]:
    """Yield the rows of a quoted text that begins on line `first` of its file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = first
    try:
        for row in reader:
            if row:
                yield line, row
            line = first + reader.line_num
    except csv.Error as error:
        if "field limit" in str(error):
            reason = f"a field has over {MAX_CHARACTERS:,} characters: probably an unbalanced quote"
        else:
            reason = f"a quotation is broken ({error}): double the quotation marks inside a field"
        raise KdcError(f"{path}, in the row that begins on line {line}: {reason}") from error


def _unquote(path: Path, text: str, rows: list[Row]) -> list[Row]:
    """Decide whether a TSV file with quotation marks in it is a quoted one."""
    if _even(rows):
        marked = (field for _, row in rows for field in row if '"' in field)
        if all(_QUOTED.fullmatch(field) for field in marked):
            return [(line, [_inside(field) for field in row]) for line, row in rows]
        return rows
    try:
        quoted = list(_quoted(path, text, "\t"))
    except KdcError:
        return rows
    return quoted if _even(quoted) else rows


def _even(rows: list[Row]) -> bool:
    return len({len(row) for _, row in rows}) == 1


def _inside(field: str) -> str:
    return field[1:-1].replace('""', '"') if '"' in field else field


def _table(path: Path, rows: Iterable[Row]) -> Table:
    # spreadsheets leave rows of nothing but delimiters at the end
    filled = ((line, row) for line, row in rows if any(row))
    _, header = next(filled, (0, []))
    if not header:
        raise KdcError(f"{path} is empty: name a table with a header and rows")
    lines: list[int] = []
    cells: list[list[str]] = []
    for line, row in filled:
        if len(row) != len(header):
            raise KdcError(
                f"{path}, line {line} has {plural(len(row), 'field')}, but the header has "
                f"{len(header)}: a delimiter too many or too few, or a text that should be quoted"
            )
        lines.append(line)
        cells.append(row)
    return Table(
        str(path), tuple(name.strip() for name in header), list(zip(*cells, strict=True)), lines
    )
