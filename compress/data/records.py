"""JSONL and Parquet files: rows whose cells have types of their own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdc.compress.data.table import Table
from kdc.compress.data.text_file import read_text
from kdc.compress.errors import KdcError

STRINGS = ("string", "large_string", "string_view")
"""Arrow's types of texts."""
_CELLS = (*STRINGS, "integer", "floating", "boolean", "dictionary")
_LABELS = (*STRINGS, "integer")  # in lists; of fractions they would be vectors


def read_jsonl(path: Path) -> Table:
    """Read a file of one JSON object a line; its columns are the keys of the first object.

    Raises:
        KdcError: no UTF-8 text, no rows, or a line that is no JSON object.
    """
    lines: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(_object(path, number, line))
            lines.append(number)
    if not rows:
        raise KdcError(f"{path} is empty: name a file of one JSON object a line")
    header = tuple(rows[0])
    return Table(str(path), header, [[row.get(key) for row in rows] for key in header], lines)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{path}, line {number} is not valid JSON: one object a line") from error
    if not isinstance(value, dict):
        raise KdcError(f"{path}, line {number} holds no JSON object: one object a line is expected")
    return value


def read_parquet(path: Path) -> Table:
    """Read the columns of a Parquet file that hold strings, numbers, booleans or lists of labels.

    Raises:
        KdcError: pyarrow is not installed, the file is damaged or has no rows.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise KdcError(f'reading {path} needs pyarrow: pip install "kdc[parquet]"') from error
    try:
        with ParquetFile(path) as file:
            fields = file.schema_arrow
            names = [field.name for field in fields if _usable(field.type)]
            unread = [f"{field.name} ({field.type})" for field in fields if not _usable(field.type)]
            table = file.read(columns=names)
            columns = [column.to_pylist() for column in table.columns]
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise KdcError(f"{path} is no readable Parquet file: {reason}") from error
    rows = range(1, table.num_rows + 1)
    return Table(str(path), tuple(table.column_names), columns, rows, "row", unread)


def _usable(kind: Any) -> bool:  # noqa: ANN401 - pyarrow's DataType
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return is_one_of(kind.value_type, _LABELS)
    return is_one_of(kind, _CELLS)


def is_one_of(kind: Any, names: Sequence[str]) -> bool:  # noqa: ANN401 - pyarrow's DataType
    """Whether an Arrow type is of one of some kinds, as `pyarrow.types.is_NAME` has them."""
    from pyarrow import types

    return any(getattr(types, f"is_{name}")(kind) for name in names)
