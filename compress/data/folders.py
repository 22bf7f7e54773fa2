"""Tables on the disk: one file, or a folder with one file for each split."""

from collections.abc import Collection
from pathlib import Path

from kdc.compress.data.assemble import Parts
from kdc.compress.data.columns import Names, find_columns, has_labels
from kdc.compress.data.formats import READERS, read_table, suffixes
from kdc.compress.data.glue import glue_metric
from kdc.compress.data.labelled import Labelled, take
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError

TRAIN = ("train",)
DEV = ("dev", "validation", "valid", "val", "dev_matched")
LABELLED_TEST = ("test_labelled",)
TEST = ("test",)
"""GLUE's own test files have no labels; the labelled one of MRPC goes by another name."""


def read_file(path: Path, dev: Path | None, names: Names) -> Parts:
    """Read a table file, and the file of its dev rows where there is one.

    Raises:
        KdcError: whatever is wrong with one of the files.
    """
    table = read_table(path)
    stem = path.stem
    name = path.resolve().parent.name if stem.lower() in (*TRAIN, *DEV, *TEST) else stem
    return Parts(
        name=name,
        train=_labelled(table, names),
        dev=None if dev is None else _labelled(read_table(dev), names),
        metric=glue_metric(name, table.header),
    )


def read_folder(folder: Path, names: Names) -> Parts:
    """Read a folder's train and dev file, and its test file where it has labels.

    Raises:
        KdcError: train or dev is missing or there twice, or whatever is wrong with one of them.
    """
    train, dev = _find(folder, TRAIN), _find(folder, DEV)
    if train is None:
        raise KdcError(f"{folder} has no train.* ({suffixes()}): {_listed(folder)}")
    if dev is None:
        raise KdcError(
            f"{folder} has no dev.* ({suffixes()}): add one, or name {train} itself, "
            "and a part of its rows becomes dev"
        )
    table = read_table(train)
    name = folder.resolve().name
    rows, dev_rows = _labelled(table, names), _labelled(read_table(dev), names)
    test, notes = _read_test(_find(folder, LABELLED_TEST) or _find(folder, TEST), names)
    return Parts(name, rows, dev_rows, test, glue_metric(name, table.header), notes)


def _read_test(path: Path | None, names: Names) -> tuple[Labelled | None, tuple[str, ...]]:
    if path is None:
        return None, ()
    table = read_table(path)
    if has_labels(table, names):
        return _labelled(table, names), ()
    return None, (f"{path} has no column of labels and is not used",)


def _labelled(table: Table, names: Names) -> Labelled:
    return take(table, find_columns(table, names))


def _find(folder: Path, stems: Collection[str]) -> Path | None:
    """Find the one table file that goes by one of these names."""
    paths = (folder / name for name in _contents(folder))
    found = [p for p in paths if p.suffix.lower() in READERS and p.stem.lower() in stems]
    if len(found) > 1:
        raise KdcError(f"{folder} holds both {found[0].name} and {found[1].name}: keep one of them")
    return found[0] if found else None


def _contents(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise KdcError(
            f"cannot read {folder}: {error.strerror}; name a folder that can be read"
        ) from error


def _listed(folder: Path) -> str:
    names = _contents(folder)
    more = ", ..." if len(names) > 8 else ""
    return f"it holds {', '.join(names[:8])}{more}" if names else "it is empty"
