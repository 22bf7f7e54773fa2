"""From labelled rows to a dataset: the kind of task, the classes, the splits and the metric."""

from dataclasses import dataclass, replace

import numpy as np

from kdc.compress.data.aside import with_dev
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.labelled import Labelled
from kdc.compress.data.labels import Coding, Known, coding_for, coding_of, encode
from kdc.compress.data.notes import notes_on
from kdc.compress.errors import KdcError, unknown
from kdc.compress.metrics import METRICS, USUAL_METRICS
from kdc.compress.progress import plural, some
from kdc.compress.task import Task


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
    """The metric the source itself is scored with, where it is known."""
    notes: tuple[str, ...] = ()


def assemble(
    parts: Parts, metric: str | None, known: Known | None = None, *, aside: bool = True
) -> Dataset:
    """Build a dataset.

    Args:
        parts: the rows.
        metric: the user's choice, or None for the source's own or the default of its kind.
        known: what the model answers with that the rows are to judge; None: they are to teach.
        aside: whether rows become dev rows where the source brings none.

    Raises:
        KdcError: labels or rows that make no task, or a metric that does not score it.
    """
    chosen = metric or parts.metric
    if known is None:
        coding = coding_of(parts.train, METRICS[chosen].kind if chosen in METRICS else None)
    else:
        coding = coding_for(known, parts.train)
    notes = list(parts.notes)
    if known is not None:
        notes += _told_of(known, coding.classes)
    train = _split(parts.train, coding, parts.train)
    empty = train.pick(np.array([], dtype=np.int64))
    dev = empty if parts.dev is None else _split(parts.dev, coding, parts.train)
    test = None if parts.test is None else _split(parts.test, coding, parts.train)
    pair = train.pairs is not None
    task = Task(parts.name, coding.kind, coding.classes, pair, USUAL_METRICS[coding.kind])
    task = with_metric(task, chosen) if chosen else task
    data = Dataset(task, train, dev, test, tuple(notes))
    trained = None if known is None else known.trained
    if parts.dev is None:
        source, judge = parts.train.table.source, known is not None
        data = with_dev(data, source, trained, aside=aside, judge=judge)
    elif trained is not None:
        data = replace(data, learned=trained.on(data))
    splits = {"train": data.train, **({"dev": data.dev} if len(data.dev) else {})}
    splits |= {} if test is None else {"test": test}
    told = notes_on(coding.classes, splits, teach=known is None, asked=chosen is not None)
    return replace(data, notes=(*data.notes, *told))


def _told_of(known: Known, classes: tuple[str, ...]) -> list[str]:
    """Return what to say of the classes by which a finished model is judged."""
    if not set(classes) <= set(known.labels):
        said = "the labels 0, 1, ... are taken for the model's classes in its order"
        return [f"{said}: {some(known.labels)}"]
    lacking = [name for name in known.labels if name not in classes]
    count = f"{len(lacking):,} of the model's {plural(len(known.labels), 'class')}"
    told = f"the data tell nothing of {count}, which are not judged: {some(lacking)}"
    return [told] if lacking else []


def with_metric(task: Task, metric: str) -> Task:
    """Return the task, scored by another metric.

    Raises:
        KdcError: no such metric, or one for another kind of task.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    kind = METRICS[metric].kind
    if kind != task.kind:
        fit = ", ".join(name for name, row in METRICS.items() if row.kind == task.kind)
        raise KdcError(
            f"the metric {metric} is for {kind}, but {task.name} is {task.kind}: choose of {fit}"
        )
    if metric == "f1" and len(task.labels) != 2:
        raise KdcError(
            f"the metric f1 is for two classes, but {task.name} has {len(task.labels)}: "
            "choose macro_f1"
        )
    return replace(task, metric=metric)


def _split(rows: Labelled, coding: Coding, train: Labelled) -> Split:
    if (rows.pairs is None) != (train.pairs is None):
        single, pairs = (rows, train) if rows.pairs is None else (train, rows)
        raise KdcError(
            f"{pairs.table.source} holds pairs of texts, but {single.table.source} single ones: "
            "name the columns with --text and, for pairs, --pair"
        )
    if (rows.sets is None) != (train.sets is None):
        one, several = (rows, train) if rows.sets is None else (train, rows)
        raise KdcError(
            f"{several.table.source} holds several labels a row, but {one.table.source} one: write "
            "both in one way"
        )
    return Split(rows.texts, rows.pairs, encode(rows, coding))
