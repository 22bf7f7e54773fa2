"""A table as its file has it: columns of cells that nobody has interpreted yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from kdc.compress.errors import KdcError

MAX_CHARACTERS = 100_000
"""Characters of a text; what is longer was hardly meant to be one."""


@dataclass(frozen=True)
class Table:
    """N rows of W columns.

    Raises:
        KdcError: there are no rows.
    """

    source: str
    """How errors call it: a path, or the split of a dataset."""
    header: tuple[str, ...]
    """The W names of the columns, which need not differ."""
    columns: Sequence[Sequence[object]]
    """W columns of N cells each: strings, numbers, booleans or None."""
    lines: Sequence[int]
    """The (N,) numbers by which a user finds each row."""
    unit: str = "line"
    """What `lines` counts: lines of a text file or rows."""
    unread: Sequence[str] = ()
    """Columns that are left out, as errors list them: `vector (list<item: double>)`."""

    def __post_init__(self) -> None:
        if not self.lines:
            raise KdcError(f"{self.source} has a header but no rows: name a table that has some")

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, index: int) -> str:
        """Return the place of one row, such as `train.csv, line 12`."""
        return f"{self.source}, {self.unit} {self.lines[index]}"
