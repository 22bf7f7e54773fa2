"""The kinds of table files there are."""

import os
from collections.abc import Callable
from pathlib import Path

from kdc.compress.data.delimited import read_csv, read_tsv
from kdc.compress.data.records import read_jsonl, read_parquet
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError

READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
}


def read_table(path: Path) -> Table:
    """Read a table file by its suffix.

    Raises:
        KdcError: no such file, an unknown suffix, or whatever is wrong with the file.
    """
    if not os.path.isfile(path):
        raise KdcError(f"there is no file {path}: check its name")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise KdcError(f"{path} is no table file: name one that ends in {suffixes()}")
    return reader(path)


def suffixes() -> str:
    """Return the known suffixes as a phrase."""
    *first, last = READERS
    return f"{', '.join(first)} or {last}"
