"""What a user should know about the rows, although nothing is wrong with them."""

import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from kdc.compress.arrays import Labels
from kdc.compress.data.dataset import Split
from kdc.compress.data.same_rows import row_keys

Rows = list[tuple[bytes, bytes]]
"""The key of each row's text, and the bytes of its label."""

_MANY = 50  # classes; a column of texts taken for one of labels has more in any real table
_CONTROLS = re.compile("[\x80-\x84\x86-\x9f]")  # U+0085 ends lines on mainframes
_STRAY = 0.01  # of the texts: RTE has one such, and was not converted wrongly as a whole
_NAMED = 6  # classes; a line of more is not read
_GRADES = 3  # whole numbers that may be scores; two are a yes and a no


def notes_on(
    classes: tuple[str, ...],
    splits: Mapping[str, Split],
    *,
    teach: bool = True,
    asked: bool = False,
) -> list[str]:
    """Describe the classes, empty texts, and texts of `train` that stand in another split too.

    Args:
        classes: the names of the classes; none for scores.
        splits: the rows by the name of their split; `train` is one of them.
        teach: whether the rows are to teach; else a model is judged by them.
        asked: whether a metric says that these are classes: the user's, or a benchmark's own.
    """
    train = splits["train"]
    notes = [note for name, split in splits.items() for note in _odd_texts(name, split)]
    if teach:
        numbers = not asked and train.labels.ndim == 1
        notes = _counts(classes, train) + _classes(classes, len(train), numbers) + notes
        notes += _unmeasured(classes, splits.get("dev"))
        notes += [_sets(train)] if train.labels.ndim == 2 else []
    known = list(zip(row_keys(train), _bytes(train.labels), strict=True))
    if teach and (several_labels := _contradictions(train, known)):
        notes.append(several_labels)
    others = {name: split for name, split in splits.items() if split is not train}
    return notes + [note for name, split in others.items() for note in _shared(known, name, split)]


def _counts(classes: tuple[str, ...], train: Split) -> list[str]:
    """Tell the classes' sizes: a label read wrongly, or a rare one, shows here first."""
    if not classes or train.labels.ndim == 2:
        return []
    counts = np.bincount(train.labels.astype(np.int64), minlength=len(classes))
    if len(classes) <= _NAMED:
        sizes = ", ".join(f"{name} {n:,}" for name, n in zip(classes, counts, strict=True))
        return [f"train rows by class: {sizes}"]
    if counts.min() == counts.max():
        return [f"train rows by {len(classes):,} classes: {counts[0]:,} of each"]
    few, most = (f"{classes[at]} {counts[at]:,}" for at in (counts.argmin(), counts.argmax()))
    return [f"train rows by {len(classes):,} classes: from {few} to {most}"]


def _classes(classes: tuple[str, ...], rows: int, numbers: bool) -> list[str]:
    """Tell of odd names of classes; `numbers` is whether whole ones might be meant as scores."""
    numbers = numbers and all(name.lstrip("-").isdigit() for name in classes)
    notes = []
    if len(classes) > max(_MANY, rows / 2):
        notes.append(f"{len(classes):,} classes in {rows:,} rows: is that the column of labels?")
    elif numbers and len(classes) >= _GRADES:
        notes.append(
            f"{len(classes):,} whole numbers are taken for classes: --metric pearson_spearman "
            "takes them for scores"
        )
    for one, other in pairwise(sorted(classes, key=str.casefold)):
        if one.casefold() == other.casefold():
            notes.append(f"'{one}' and '{other}' differ only in case, but are two classes")
            break
    return notes


def _unmeasured(classes: tuple[str, ...], dev: Split | None) -> list[str]:
    """Name the classes that no figure says anything of."""
    if not classes or dev is None or dev.labels.ndim == 2:
        return []
    counts = np.bincount(dev.labels.astype(np.int64), minlength=len(classes))
    lacking = [name for name, count in zip(classes, counts, strict=True) if not count]
    if not lacking:
        return []
    named = ", ".join(lacking[:_NAMED]) + (", ..." if len(lacking) > _NAMED else "")
    return [f"dev holds no row of {named}: give a --dev file that does"]


def _sets(train: Split) -> str:
    counts = train.labels.sum(axis=1)
    return (
        f"a train row has {counts.mean():.2f} of {train.labels.shape[1]:,} labels on average, and "
        f"{int((counts == 0).sum()):,} of {len(train):,} have none"
    )


def _odd_texts(name: str, split: Split) -> list[str]:
    """Tell of texts that are empty, and of those that were converted from the wrong encoding."""
    rows = list(zip(split.texts, split.pairs or split.texts, strict=True))
    empty = sum(1 for row in rows if not all(text.strip() for text in row))
    broken = sum(1 for row in rows if any(map(_CONTROLS.search, row)))
    notes = [f"{empty:,} of {len(split):,} {name} texts are empty"] if empty else []
    if broken > _STRAY * len(split):
        notes.append(
            f"{broken:,} of {len(split):,} {name} texts hold control characters where Windows-1252 "
            "has quotes and the euro: convert the file from CP1252, not from Latin-1"
        )
    return notes


def _contradictions(train: Split, rows: Rows) -> str | None:
    """Tell of texts that the rows label one way and another."""
    if train.labels.dtype.kind == "f" and train.labels.ndim == 1:
        return None  # two people may well give two scores
    first: dict[bytes, bytes] = {}
    several = {key for key, label in rows if first.setdefault(key, label) != label}
    if not several:
        return None
    count = sum(key in several for key, _ in rows)
    return f"{count:,} of {len(train):,} train texts stand there with another label too"


def _shared(train: Rows, name: str, split: Split) -> list[str]:
    keys = row_keys(split)
    known: dict[bytes, set[bytes]] = {key: set() for key in keys}
    for key, label in train:
        if key in known:
            known[key].add(label)
    seen = [
        label in known[key]
        for key, label in zip(keys, _bytes(split.labels), strict=True)
        if known[key]
    ]
    if not seen:
        return []
    conflicts = seen.count(False)
    another = f", {conflicts:,} of them with another label" if conflicts else ""
    return [f"{len(seen):,} of {len(split):,} {name} texts also stand in train{another}"]


def _bytes(labels: Labels) -> list[bytes]:
    return [label.tobytes() for label in labels]
