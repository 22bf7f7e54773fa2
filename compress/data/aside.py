"""The dev rows of a table that brings none, and whether a finished model has learned the others."""

from dataclasses import dataclass, replace

import numpy as np

from kdc.compress.arrays import Labels
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.same_rows import row_keys
from kdc.compress.data.split import Numbers, choose_dev
from kdc.compress.errors import KdcError
from kdc.compress.task import Kind, Task


@dataclass(frozen=True)
class Trained:
    """What a model's folder tells of the data that it was trained on."""

    task: Task
    """What the data were taken for."""
    digest: str
    """That of the data, as `Dataset.digest` gives it."""

    def on(self, data: Dataset) -> bool:
        """Whether these are the same rows in the same splits, whatever their file is called."""
        return replace(data, task=self.task).digest() == self.digest


def with_dev(
    whole: Dataset, source: str, trained: Trained | None, *, aside: bool, judge: bool
) -> Dataset:
    """Set dev rows aside, as a training on the same table does, and note how many.

    A model is judged by all rows of any other table, none of which was set aside for it. They may
    still be rows that it has learned, as of a table that has grown since.

    Args:
        whole: all rows as `train`, and none as `dev`.
        source: what to call the table.
        trained: what the model that the rows are to judge was trained on; None where it does not
            tell, or the rows are to teach.
        aside: whether rows are set aside at all.
        judge: whether the rows are to judge a model.

    Raises:
        KdcError: there are too few rows to set any aside, where that has to be done.
    """
    if not aside and trained is None:
        return whole
    total, alone = len(whole.train), whole.test is None
    try:
        train, dev = _set_aside(whole.train, whole.task.kind, source)
    except KdcError:
        if trained is None:
            raise
        apart, learned = whole, False  # nobody was trained on so few
    else:
        apart = replace(whole, train=train, dev=dev)
        learned = trained is not None and trained.on(apart)
    if trained is not None:
        whole, apart = replace(whole, learned=learned), replace(apart, learned=learned)
    if not aside:
        return whole
    if trained is not None and not learned and alone:
        apart = whole
        note = (
            f"all {total:,} rows of {source} are scored, of which the model may have learned some"
        )
    else:
        hint = f"; --split all takes all {total:,}" if judge and not learned else ""
        note = f"{len(apart.dev):,} of {total:,} rows were set aside as dev rows{hint}"
    return replace(apart, notes=(*apart.notes, note))


def _set_aside(rows: Split, kind: Kind, source: str) -> tuple[Split, Split]:
    """Split rows into train and dev, stratified by class where there are classes."""
    texts = np.unique(row_keys(rows), return_inverse=True)[1]
    groups = _groups(rows.labels, kind)
    chosen = choose_dev(groups, texts)
    if len(chosen) < 2:
        if kind == "classification" and (classes := int(groups.max()) + 1) == len(rows):
            raise KdcError(
                f"{source} has too few rows to set dev rows aside, for each of its {classes:,} "
                "classes has one row only: is that the column of labels? Name another with "
                "--label, add rows, give a file with --dev or, to judge a model, --split all"
            )
        raise KdcError(
            f"{source} has too few rows of different texts to set dev rows aside: give a file with "
            "--dev or, to judge a model, --split all"
        )
    rest = np.setdiff1d(np.arange(len(rows)), chosen)
    return rows.pick(rest), rows.pick(chosen)


def _groups(labels: Labels, kind: Kind) -> Numbers:
    """Return (N,) numbers of what should stand in both parts: a row's class, or its rarest label.

    Going by the rarest is the first step of Sechidis et al. 2011, "On the stratification of
    multi-label data". Rows without a label are a group of their own.
    """
    if kind == "classification":  # numbered anew: a model may know more classes
        return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)
    if kind == "regression":
        return np.zeros(len(labels), dtype=np.int64)
    counts = np.where(labels > 0, labels.sum(axis=0), np.inf)
    return np.asarray(np.where(labels.any(axis=1), counts.argmin(axis=1), labels.shape[1]))
