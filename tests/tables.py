"""Tables on the disk for tests."""

import csv
from collections.abc import Sequence
from pathlib import Path

from kdc.compress.arrays import Array
from kdc.compress.data.dataset import Split


def write_sets(path: Path, texts: Sequence[str], holds: Array, names: Sequence[str]) -> None:
    """Write texts with a column of 0 and 1 for each label; `holds` is (N, C)."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", *names])
        writer.writerows([text, *map(int, row)] for text, row in zip(texts, holds, strict=True))


def write_split(path: Path, split: Split, labels: Sequence[str], delimiter: str = ",") -> None:
    """Write texts and the names of their labels."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["text", "label"])
        rows = zip(split.texts, split.labels, strict=True)
        writer.writerows([text, labels[int(label)]] for text, label in rows)
