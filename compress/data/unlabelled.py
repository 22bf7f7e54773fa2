"""Texts of the task's kind that nobody has labelled: the teacher's answers are all they carry."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdc.compress.arrays import Labels
from kdc.compress.data.columns import Names, find_texts
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.formats import READERS, read_table, suffixes
from kdc.compress.data.labelled import texts_of
from kdc.compress.data.same_rows import row_key, row_keys
from kdc.compress.data.table import Table
from kdc.compress.data.text_file import read_text
from kdc.compress.errors import KdcError
from kdc.compress.task import Task

NO_CLASS = -100
"""The class of a row that has none, as transformers writes it; a missing score is NaN."""


@dataclass(frozen=True)
class Unlabelled:
    """Texts without labels that stand in none of the task's own splits."""

    rows: Split
    """Their labels are -100, or NaN for scores and in the rows of several labels."""
    notes: tuple[str, ...]
    """What the user should know: how many rows there are, and how many were left out and why."""


def no_labels(task: Task, rows: int) -> Labels:
    """Return (N,) or, of multi-label, (N, C) labels that say there are none."""
    if task.kind == "multi-label":
        return np.full((rows, task.outputs), np.nan, dtype=np.float32)
    if task.kind == "regression":
        return np.full(rows, np.nan, dtype=np.float32)
    return np.full(rows, NO_CLASS, dtype=np.int64)


def load_unlabelled(
    path: Path, data: Dataset, text: str | None = None, pair: str | None = None
) -> Unlabelled:
    """Read texts for the teacher to score: a `.txt` file, a line a text, or a table.

    Rows that stand in dev or test would leak the teacher's answers to what is measured there; they
    are dropped, as are rows of train, empty rows and repeated ones. Labels in the file are ignored.

    Args:
        path: the file.
        data: the task's own rows.
        text: the column of (first) texts that the user named for `data`; where the file has no such
            column, its own is found by the usual names.
        pair: the column of second texts, likewise.

    Raises:
        KdcError: whatever is wrong with the file, texts of another form than the task's, or nothing
            new in it.
    """
    texts, pairs, column = _read(path, data.task, text, pair)
    taken = {name: set(row_keys(split)) for name, split in _splits(data)}
    reasons = dict.fromkeys([*taken, "empty", "repeated"], 0)
    kept: list[int] = []
    seen: set[bytes] = set()
    for row, one in enumerate(texts):
        other = None if pairs is None else pairs[row]
        key = row_key(one, other)
        why = next((name for name, keys in taken.items() if key in keys), "")
        if not one.strip() and not (other or "").strip():
            why = "empty"
        elif not why and key in seen:
            why = "repeated"
        if why:
            reasons[why] += 1
        else:
            seen.add(key)
            kept.append(row)
    if not kept:
        raise KdcError(f"{path} has no row that train, dev and test do not have: leave it out")
    rows = Split(
        [texts[row] for row in kept],
        None if pairs is None else [pairs[row] for row in kept],
        no_labels(data.task, len(kept)),
    )
    return Unlabelled(rows, _notes(path, column, len(kept), reasons))


def _splits(data: Dataset) -> list[tuple[str, Split]]:
    """Return the splits, those first whose rows must not be trained on."""
    named = [("dev", data.dev), ("test", data.test), ("train", data.train)]
    return [(name, split) for name, split in named if split is not None]


def _notes(path: Path, column: str, kept: int, reasons: dict[str, int]) -> tuple[str, ...]:
    dropped = [
        f"{count:,} {name if name in ('empty', 'repeated') else f'of {name}'}"
        for name, count in reasons.items()
        if count
    ]
    without = f", without {', '.join(dropped)}" if dropped else ""
    source = f" (column {column})" if column else ""  # a file without a header shows a text here
    return (f"{path}{source}: {kept:,} unlabelled texts{without}",)


def _read(
    path: Path, task: Task, text: str | None, pair: str | None
) -> tuple[list[str], list[str] | None, str]:
    """Return the texts, the second ones of pairs, and the name of the texts' column."""
    if path.suffix.lower() == ".txt":
        return _lines(path, task), None, ""
    if path.suffix.lower() not in READERS:
        raise KdcError(f"{path} is no file of texts: name one that ends in .txt, {suffixes()}")
    table = read_table(path)
    one, other = find_texts(table, _names(table, text, pair, task))
    if (other is not None) != task.pair:
        form = "pairs of texts" if task.pair else "single texts"
        raise KdcError(
            f"{path} does not hold {form}, as {task.name} does: name its columns as those of "
            "--data are named"
        )
    seconds = None if other is None else texts_of(table, other)
    return texts_of(table, one), seconds, table.header[one]


def _names(table: Table, text: str | None, pair: str | None, task: Task) -> Names:
    """Take the names of the task's own columns where the table has them."""
    wanted = [name for name in (text, pair) if name is not None]
    found = {name.strip().casefold() for name in table.header}
    if wanted and all(name.strip().casefold() in found for name in wanted):
        return Names(text, pair)
    if len(table.header) == 1 and not task.pair:
        return Names(table.header[0])
    return Names()


def _lines(path: Path, task: Task) -> list[str]:
    if task.pair:
        raise KdcError(
            f"{path} holds a text a line, but {task.name} is about pairs: give a table with two "
            f"columns of texts ({suffixes()})"
        )
    lines = [line.removesuffix("\r") for line in read_text(path).removesuffix("\n").split("\n")]
    table = Table(str(path), ("text",), [lines], range(1, len(lines) + 1))
    return texts_of(table, 0)
