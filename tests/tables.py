"""Tables on the disk for tests."""

import csv
from collections.abc import Sequence
from pathlib import Path

from kdc.compress.examples import Array


def write_sets(path: Path, texts: Sequence[str], holds: Array, names: Sequence[str]) -> None:
    """Write texts with a column of 0 and 1 for each label; `holds` is (N, C)."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", *names])
        writer.writerows([text, *map(int, row)] for text, row in zip(texts, holds, strict=True))
