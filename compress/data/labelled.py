"""Texts with their labels as the source writes them, and where each stands in it."""

from dataclasses import dataclass

from kdc.compress.data.cells import written
from kdc.compress.data.columns import Columns
from kdc.compress.data.label_sets import flagged, has_lists, listed
from kdc.compress.data.table import MAX_CHARACTERS, Table
from kdc.compress.errors import KdcError
from kdc.compress.progress import plural


@dataclass(frozen=True)
class Labelled:
    """N texts or pairs with their labels."""

    table: Table
    """Where they come from: row `i` is its row `i`."""
    texts: list[str]
    pairs: list[str] | None
    labels: list[str]
    """Not empty, without blanks around them; none at all where `sets` has them."""
    sets: list[tuple[str, ...]] | None = None
    """The labels of rows that may have several, or none; None where each has one."""
    known: tuple[str, ...] = ()
    """All labels, where the source names them beside the rows."""

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, index: int) -> str:
        """Return the place of one row, such as `train.csv, line 12`."""
        return self.table.where(index)


def take(table: Table, columns: Columns) -> Labelled:
    """Take the texts and labels out of a table.

    Raises:
        KdcError: a text that is missing, too long or not Unicode, or an empty label (each with the
            row).
    """
    texts = texts_of(table, columns.text)
    pairs = None if columns.pair is None else texts_of(table, columns.pair)
    if isinstance(columns.label, tuple):
        sets, known = flagged(table, columns.label)
        return Labelled(table, texts, pairs, [], sets, known)
    if columns.separator is not None or has_lists(table, columns.label):
        return Labelled(table, texts, pairs, [], listed(table, columns.label, columns.separator))
    labels = [written(table, columns.label, index).strip() for index in range(len(table))]
    if "" in labels:
        where, more = table.where(labels.index("")), labels.count("") - 1
        verb = "is that" if more == 1 else "are those"
        others = f" (and so {verb} of {plural(more, 'other row')})" if more else ""
        raise KdcError(f"{where}: the label is empty{others}: fill it in or leave the row out")
    return Labelled(table, texts, pairs, labels)


def texts_of(table: Table, column: int) -> list[str]:
    """Take a column of texts out of a table.

    Raises:
        KdcError: a text that is missing, too long or not Unicode (with the row).
    """
    texts = [written(table, column, index) for index in range(len(table))]
    for index, text in enumerate(texts):
        if len(text) > MAX_CHARACTERS:
            raise KdcError(
                f"{table.where(index)}: the text has {len(text):,} characters "
                f"(limit {MAX_CHARACTERS:,}): probably an unbalanced quote or the wrong column; "
                "a text that is meant is to be shortened, for a model reads its beginning only"
            )
    return texts
