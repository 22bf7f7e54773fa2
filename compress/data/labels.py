"""From labels as they are written to class numbers or scores."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Labels
from kdc.compress.data.aside import Trained
from kdc.compress.data.label_sets import Sets
from kdc.compress.data.labelled import Labelled
from kdc.compress.errors import KdcError
from kdc.compress.progress import plural, some
from kdc.compress.same_names import find_names
from kdc.compress.task import Kind

_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"([+-]?(?:0|[1-9]\d{0,17}))(\.0*)?", re.ASCII)  # 007 is a name, and not 7
Scores = npt.NDArray[np.float64]
_SCORES = "the training labels are"
_LARGEST = float(np.finfo(np.float32).max)
_ALMOST = 10  # times as many numbers as other labels are scores with cells that were not filled in
_FLAT = 1e-5  # of the largest score, their spread: then float32 has 80 values on either side


@dataclass(frozen=True)
class Coding:
    """What the labels of the training rows mean."""

    kind: Kind
    """Multi-label when rows have sets of labels; else what the metric is for, and without one
    regression where every label is a number and one of them not an integer."""
    classes: tuple[str, ...]
    """In the order of their numbers when all are integers, else alphabetical; no scores."""
    whole: bool
    """Whether the classes are integers: `1` and `1.0` are then the same one."""
    of_model: bool = False
    """Whether they are a finished model's; then case may differ."""

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Return the numbers of those names that are classes.

        A model's are matched without regard to case too, where that leaves no doubt.
        """
        if self.of_model:
            return find_names(names, self.classes)
        exact = {name: number for number, name in enumerate(self.classes)}
        return {name: exact[name] for name in names if name in exact}

    def in_other_case(self, name: str) -> list[str]:
        """Return the classes that are this name but for case."""
        return [each for each in self.classes if each.casefold() == name.casefold()]


@dataclass(frozen=True)
class Known:
    """What a finished model answers with, so that rows for it need not show all of it."""

    kind: Kind
    labels: tuple[str, ...]
    """Its classes; empty for regression."""
    trained: Trained | None = None
    """What it was trained on, where it tells and that matters."""


def coding_of(train: Labelled, wanted: Kind | None = None) -> Coding:
    """Find out what the labels are.

    Args:
        train: the rows that are to teach.
        wanted: what the metric is for, where one was chosen: numbers may be either.

    Raises:
        KdcError: a score that is NaN or infinite, one class only, one score only, scores that
            float32 can hardly tell apart, scores with words among them, or numbers with a decimal
            comma; of sets, that no row has two labels or that a label never occurs.
    """
    if train.sets is not None:
        return _coding_of_sets(train, train.sets)
    found = set(train.labels)
    if any("," in label for label in found) and _numbers(
        label.replace(",", ".") for label in found
    ):
        label = next(label for label in train.labels if "," in label)
        raise KdcError(
            f"{train.table.source}: the labels are numbers with a decimal comma ('{label[:80]}'): "
            "write them with a point"
        )
    if wanted != "classification":
        _refuse_almost_scores(train, found, asked=wanted is not None)
    classes, whole = _classes(found)
    if (wanted == "regression" or (wanted is None and not whole)) and _numbers(found):
        scores = _exact_scores(train)
        if wanted or (scores % 1).any():
            _refuse_flat(train, scores)
            return Coding("regression", (), whole=False)
    if len(classes) == 1:
        raise KdcError(
            f"{train.table.source} holds one class only ('{classes[0]}'): two are needed"
        )
    return Coding("classification", classes, whole)


def coding_for(known: Known, rows: Labelled) -> Coding:
    """Find out how rows write what a finished model answers.

    Rows of numbers from 0 on, where its classes have names, are those of its outputs; numbers from
    1 on are some other count. Columns of 0 and 1 tell of the labels that have one, and of no other.

    Raises:
        KdcError: the rows may have several labels and the model gives a text one, none of their
            columns is a label of the model's, or some are numbers and the others are missing.
    """
    if known.kind == "regression":
        return Coding("regression", (), whole=False, of_model=True)
    if rows.sets is not None and known.kind == "classification":
        raise KdcError(
            f"{rows.table.source}: the model gives a text one label, and the data's rows may have "
            "several: another task?"
        )
    sets = [(label,) for label in rows.labels] if rows.sets is None else rows.sets
    found = {label for labels in sets for label in labels}
    outputs = tuple(str(number) for number in range(len(known.labels)))
    classes, whole = _classes(set(known.labels))
    if not found & set(known.labels) and _are_outputs({_plain(label) for label in found}, outputs):
        if rows.known and len(rows.known) < len(outputs):
            raise KdcError(
                f"{rows.table.source}: the columns {some(rows.known)} are fewer than the model's "
                f"classes: call them by the names of those that they mean ({some(known.labels)})"
            )
        classes, whole = outputs, True
    coding = Coding(known.kind, classes, whole, of_model=True)
    if not rows.known:
        return coding
    told = _told_of(coding, rows.known)
    if not told:
        raise KdcError(
            f"{rows.table.source}: none of the columns of labels ({some(rows.known)}) is one of "
            f"the model's classes ({some(classes)}): another task?"
        )
    return replace(coding, classes=told)


def _told_of(coding: Coding, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return a model's classes that a table has columns for; of the others it tells nothing."""
    named = [_plain(column) if coding.whole else column for column in columns]
    found = set(coding.numbers(named).values())
    return tuple(name for number, name in enumerate(coding.classes) if number in found)


def _are_outputs(numbers: set[str], outputs: tuple[str, ...]) -> bool:
    """Whether numbers are those of outputs; 1 to 4, which a table of stars has, are not."""
    from_one = len(numbers) > 1 and numbers == set(outputs[1 : len(numbers) + 1])
    return bool(numbers) and numbers <= set(outputs) and not from_one


def _classes(found: set[str]) -> tuple[tuple[str, ...], bool]:
    """Return the classes in their order, and whether all are integers."""
    if all(_WHOLE.fullmatch(label) for label in found):
        return tuple(str(number) for number in sorted({_number(label) for label in found})), True
    return tuple(sorted(found)), False


def _coding_of_sets(train: Labelled, sets: Sets) -> Coding:
    source, found = train.table.source, {label for labels in sets for label in labels}
    never = [name for name in train.known if name not in found]
    if never:
        raise KdcError(
            f"{source}: the label '{never[0][:80]}' holds in no row, so that there is nothing to "
            "learn: leave it out of --label"
        )
    if not found:
        raise KdcError(f"{source}: no row has a label: is that the column of labels?")
    if not train.known and max(map(len, sets)) < 2:
        raise KdcError(
            f"{source}: no row has more than one label, such as '{min(found)[:80]}': name what "
            "stands between labels with --multi-label, or, where a row has one, leave it out and "
            "write no lists"
        )
    classes, whole = _classes(found)
    return Coding("multi-label", classes, whole)


def encode(rows: Labelled, coding: Coding) -> Labels:
    """Return (N,) class numbers as int64, (N, C) float32 of 0 and 1, or (N,) scores as float32.

    Raises:
        KdcError: a class that the training rows do not have, or a score that is no finite number.
    """
    if coding.kind == "regression":
        why = "the model gives scores" if coding.of_model else _SCORES
        return _exact_scores(rows, why).astype(np.float32)
    sets = [(label,) for label in rows.labels] if rows.sets is None else rows.sets
    found = [(index, label) for index, labels in enumerate(sets) for label in labels]
    named = [(index, _plain(label) if coding.whole else label) for index, label in found]
    numbers = coding.numbers({name for _, name in named})
    strange = [(index, name) for index, name in named if name not in numbers]
    if strange:
        raise _strange(rows, coding, strange)
    if coding.kind == "classification":
        return np.array([numbers[name] for _, name in named], dtype=np.int64)
    holds = np.zeros((len(sets), len(coding.classes)), dtype=np.float32)
    holds[[index for index, _ in named], [numbers[name] for _, name in named]] = 1
    return holds


def _strange(rows: Labelled, coding: Coding, strange: list[tuple[int, str]]) -> KdcError:
    """Say which labels, each with its row, are no classes."""
    (index, name), more = strange[0], len({name for _, name in strange}) - 1
    said = f"{rows.where(index)}: the label '{name[:80]}'"
    near = [f"'{each[:80]}'" for each in coding.in_other_case(name)]
    if coding.of_model:  # of which one class in other case would have been taken
        which = f", which has {' and '.join(near)}: write it as one of them"
        why = which if near else ": another task?"
        return KdcError(f"{said} is none of the model's classes{why}")
    do = "does" if more == 1 else "do"
    others = f" (nor {do} {plural(more, 'other label')})" if more else ""
    mend = "add rows of it there or drop it here"
    if near:
        mend = f"it differs only in case from {near[0]}, so write it like that or {mend}"
    return KdcError(f"{said} does not occur in the training rows{others}: {mend}")


def _numbers(labels: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(label) for label in labels)


def _refuse_almost_scores(rows: Labelled, found: set[str], *, asked: bool) -> None:
    """Refuse scores with a few cells among them that are none: as classes they would all be names.

    Args:
        rows: the rows that are to teach.
        found: their labels, each once.
        asked: whether scores were asked for, by the metric.

    Raises:
        KdcError: scores were asked for and most labels are numbers, or nearly all are and one of
            them is a fraction; the first row that is no number is named.
    """
    words = {label for label in found if not _NUMBER.fullmatch(label)}
    others = [row for row, label in enumerate(rows.labels) if label in words] if words else []
    if not others or len(others) * (2 if asked else _ALMOST) >= len(rows):
        return
    values = np.array(list(found - words), dtype=np.float64)
    if not asked and not (values[np.isfinite(values)] % 1).any():
        return
    too = f", as do {plural(len(others) - 1, 'other row')}" if len(others) > 1 else ""
    raise KdcError(
        f"{rows.where(others[0])} has no number but '{rows.labels[others[0]][:80]}'{too}, and the "
        "others have scores: write a number or leave it out; --metric accuracy takes them all for "
        "classes"
    )


def _refuse_flat(rows: Labelled, scores: Scores) -> None:
    """Refuse scores of one value, or of so nearly one that training's digits do not hold more."""
    source = rows.table.source
    if scores.min() == scores.max():
        raise KdcError(
            f"{source}: every score is {rows.labels[0]}, so that there is nothing to learn"
        )
    if scores.std() < _FLAT * np.abs(scores).max():
        raise KdcError(
            f"{source}: the scores are all so near to {rows.labels[0]} that 32 bits hardly tell "
            "them apart: subtract what they have in common"
        )


def _exact_scores(rows: Labelled, why: str = _SCORES) -> Scores:
    """Return (N,) scores as they are written; each is finite as float32 too."""
    scores = np.empty(len(rows))
    for index, label in enumerate(rows.labels):
        if not _NUMBER.fullmatch(label):
            raise KdcError(f"{rows.where(index)}: '{label[:80]}' is no number, but {why}")
        scores[index] = float(label)
        if not abs(scores[index]) <= _LARGEST:
            raise KdcError(f"{rows.where(index)}: the score {label[:80]} is not finite")
    return scores


def _plain(label: str) -> str:
    return str(_number(label)) if _WHOLE.fullmatch(label) else label


def _number(label: str) -> int:
    return int(label.partition(".")[0])
