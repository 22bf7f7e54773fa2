"""From labelled rows to a dataset: the kind of task, the classes, the metric, what to know."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.labelled import Labelled
from kdc.compress.data.labels import Coding, coding_of, encode
from kdc.compress.data.leaks import shared_texts
from kdc.compress.data.split import choose_dev
from kdc.compress.errors import KdcError, unknown
from kdc.compress.metrics import METRICS
from kdc.compress.task import Task

_DEFAULTS = {"classification": "accuracy", "regression": "pearson_spearman"}


@dataclass(frozen=True)
class Parts:
    """What a source holds."""

    name: str
    """What to call the task."""
    train: Labelled
    dev: Labelled | None = None
    """None lets a part of `train` become dev."""
    test: Labelled | None = None
    metric: str | None = None
    """The source's own metric, where it has one."""
    notes: tuple[str, ...] = ()


def assemble(parts: Parts, metric: str | None, seed: int) -> Dataset:
    """Build a dataset.

    Args:
        parts: the rows.
        metric: the user's choice, or None for the source's own or the kind's default.
        seed: chooses the dev rows where the source has none.

    Raises:
        KdcError: labels or rows that make no task, or a metric that does not score it.
    """
    coding = coding_of(parts.train)
    train, dev = _train_and_dev(parts, coding, seed)
    test = _split(parts.test, coding, parts.train) if parts.test else None
    task = Task(
        name=parts.name,
        kind=coding.kind,
        labels=coding.classes,
        pair=train.pairs is not None,
        metric=_DEFAULTS[coding.kind],
    )
    chosen = metric or parts.metric
    task = with_metric(task, chosen) if chosen else task
    splits = {"train": train, "dev": dev, **({"test": test} if test else {})}
    notes = [*parts.notes, *_notes(parts, coding, splits, seed)]
    return Dataset(task, train, dev, test, tuple(notes))


def with_metric(task: Task, metric: str) -> Task:
    """Return the task scored by another metric.

    Raises:
        KdcError: no such metric, or one for another kind of task.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    kind = METRICS[metric].kind
    if kind != task.kind:
        known = ", ".join(name for name, row in METRICS.items() if row.kind == task.kind)
        raise KdcError(f"--metric {metric} scores {kind}, but {task.name} is {task.kind}: {known}")
    if metric == "f1" and len(task.labels) != 2:
        raise KdcError(
            f"--metric f1 is for two classes, but {task.name} has {len(task.labels)}: "
            "use macro_f1 or accuracy"
        )
    return Task(task.name, task.kind, task.labels, task.pair, metric)


def _train_and_dev(parts: Parts, coding: Coding, seed: int) -> tuple[Split, Split]:
    whole = _split(parts.train, coding, parts.train)
    if parts.dev is not None:
        return whole, _split(parts.dev, coding, parts.train)
    classes = coding.kind == "classification"
    groups = whole.labels.astype(np.int64) if classes else np.zeros(len(whole), np.int64)
    chosen = choose_dev(groups, seed)
    if len(chosen) < 2:
        raise KdcError(
            f"{parts.train.table.source} has too few rows to split dev rows off: give --dev FILE"
        )
    rest = np.setdiff1d(np.arange(len(whole)), chosen)
    return _pick(whole, rest), _pick(whole, chosen)


def _split(rows: Labelled, coding: Coding, train: Labelled) -> Split:
    if (rows.pairs is None) != (train.pairs is None):
        names = ("pairs of texts", "single texts")
        here, there = names if rows.pairs is not None else names[::-1]
        raise KdcError(f"{rows.table.source} holds {here}, but {train.table.source} {there}")
    return Split(rows.texts, rows.pairs, encode(rows, coding))


def _pick(split: Split, rows: np.typing.NDArray[np.int64]) -> Split:
    pairs = None if split.pairs is None else [split.pairs[row] for row in rows]
    return Split([split.texts[row] for row in rows], pairs, split.labels[rows])


def _notes(parts: Parts, coding: Coding, splits: dict[str, Split], seed: int) -> list[str | None]:
    notes = []
    if parts.dev is None:
        dev, rows = len(splits["dev"]), len(parts.train)
        notes.append(f"{dev:,} of {rows:,} rows were set aside as dev rows (seed {seed})")
    notes += _about_classes(coding, len(parts.train))
    for name, split in splits.items():
        texts = zip(split.texts, split.pairs or split.texts, strict=True)
        if empty := sum(1 for pair in texts if not all(text.strip() for text in pair)):
            notes.append(f"{empty:,} of {len(split):,} {name} texts are empty")
    others = ((name, split) for name, split in splits.items() if name != "train")
    shared = [shared_texts(splits["train"], split, name) for name, split in others]
    return notes + [note for note in shared if note]


def _about_classes(coding: Coding, rows: int) -> list[str]:
    notes = []
    if len(coding.classes) * 2 > rows:
        notes.append(
            f"{len(coding.classes):,} classes in {rows:,} rows: is --label the right column?"
        )
    folded = Counter(label.casefold() for label in coding.classes)
    alike = [label for label in coding.classes if folded[label.casefold()] > 1]
    if alike:
        notes.append(f"'{alike[0]}' and '{alike[1]}' differ only in case, but are two classes")
    return notes
