"""From labels as they are written to class numbers or scores."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kdc.compress.data.dataset import Labels
from kdc.compress.data.labelled import Labelled
from kdc.compress.errors import KdcError
from kdc.compress.task import Kind

_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"([+-]?\d{1,18})(\.0*)?", re.ASCII)


@dataclass(frozen=True)
class Coding:
    """What the labels of the training rows mean."""

    kind: Kind
    """Regression when every label is a number and one of them not an integer."""
    classes: tuple[str, ...]
    """In the order of their numbers when all are integers, else alphabetical; no scores."""
    whole: bool
    """Whether the classes are integers: `1`, `01` and `1.0` are then the same one."""


def coding_of(train: Labelled) -> Coding:
    """Find out what the labels are.

    Raises:
        KdcError: a score that is NaN or infinite, one class only, one score only, or numbers with
            a decimal comma.
    """
    found = set(train.labels)
    if any("," in label for label in found) and _numbers(
        label.replace(",", ".") for label in found
    ):
        label = next(label for label in train.labels if "," in label)
        raise KdcError(
            f"{train.table.source}: the labels are numbers with a decimal comma ('{label[:80]}'): "
            "write them with a point"
        )
    whole = all(_WHOLE.fullmatch(label) for label in found)
    if not whole and _numbers(found):
        scores = _scores(train)
        if not np.all(scores == np.floor(scores)):
            if scores.min() == scores.max():
                raise KdcError(
                    f"{train.table.source}: every score is {train.labels[0]}, "
                    "so that there is nothing to learn"
                )
            return Coding("regression", (), whole=False)
    if whole:
        classes = tuple(str(number) for number in sorted({_number(label) for label in found}))
    else:
        classes = tuple(sorted(found))
    if len(classes) == 1:
        raise KdcError(
            f"{train.table.source} holds one class only ('{classes[0]}'): two are needed"
        )
    return Coding("classification", classes, whole)


def encode(rows: Labelled, coding: Coding) -> Labels:
    """Return the (N,) class numbers as int64, or the scores as float32.

    Raises:
        KdcError: a class that the training rows do not have, or a score that is no finite number.
    """
    if coding.kind == "regression":
        return _scores(rows)
    numbers = {label: number for number, label in enumerate(coding.classes)}
    names = [_plain(label) for label in rows.labels] if coding.whole else rows.labels
    strange = [index for index, name in enumerate(names) if name not in numbers]
    if strange:
        more = len({names[index] for index in strange}) - 1
        others = f" (nor do {more} other labels)" if more else ""
        raise KdcError(
            f"{rows.where(strange[0])}: the label '{names[strange[0]][:80]}' does not occur in "
            f"the training rows{others}: add rows of it there or drop it here"
        )
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _numbers(labels: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(label) for label in labels)


def _scores(rows: Labelled) -> Labels:
    scores = np.empty(len(rows), dtype=np.float32)
    for index, label in enumerate(rows.labels):
        if not _NUMBER.fullmatch(label):
            raise KdcError(
                f"{rows.where(index)}: '{label[:80]}' is no number, but the training labels are"
            )
        with np.errstate(over="ignore"):
            scores[index] = float(label)
        if not np.isfinite(scores[index]):
            raise KdcError(f"{rows.where(index)}: the score {label[:80]} is not finite")
    return scores


def _plain(label: str) -> str:
    return str(_number(label)) if _WHOLE.fullmatch(label) else label


def _number(label: str) -> int:
    return int(label.partition(".")[0])
