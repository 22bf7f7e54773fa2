"""What is checked about a teacher before anything is trained from it."""

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Labels, Logits
from kdc.compress.class_heads import class_names, class_places, reorder, unnamed
from kdc.compress.errors import KdcError
from kdc.compress.metrics import Score, accuracy, micro_f1, predictions, score
from kdc.compress.models import PROBLEM_TYPES, set_task
from kdc.compress.progress import plural, some
from kdc.compress.task import Task

_MAX_ORDERED = 6  # classes whose every order is tried when a teacher seems to use another one
_CLEARLY = 0.1  # by how much more right another order has to be
_NO_CORRELATION = 0.05
_OTHER_TASK = (
    "it was fine-tuned on another task, so fine-tune it on this data with kdc teacher --model "
    "TEACHER --data DATA first"
)


def align_labels(model: Model, task: Task) -> bool:
    """Bring a teacher's classes into the order of the data's, in place.

    Classes are matched by name, or by their order where one side has no names (see
    `class_places`); `check_teacher` then finds out.

    Returns:
        Whether the order was another one.

    Raises:
        KdcError: another number of classes, other names, or one of the classes where the data's
            rows may have several.
    """
    theirs = class_names(model.config)
    count, places = plural(len(theirs), "class"), class_places(task.labels, theirs)
    if task.kind == "regression":
        if len(theirs) != 1:
            raise KdcError(f"the teacher has {count}, but the data holds scores: {_OTHER_TASK}")
        return False
    if len(theirs) != task.outputs:
        raise KdcError(
            f"the teacher has {count}, the data {task.outputs} "
            f"({some(task.labels)}){_differing(task.labels, theirs, places)}: {_OTHER_TASK}"
        )
    if task.kind == "multi-label" and model.config.problem_type == PROBLEM_TYPES["classification"]:
        raise KdcError(
            "the teacher chooses one of its classes, but a row of the data may have several: "
            f"{_OTHER_TASK}"
        )
    own_order = list(range(len(theirs)))
    order = [place for place in places if place is not None]
    if sorted(order) != own_order:
        raise KdcError(
            f"the teacher's classes ({some(theirs)}) are not the data's ({some(task.labels)})"
            f"{_differing(task.labels, theirs, places)}: {_OTHER_TASK}"
        )
    if order != own_order:
        reorder(model, order)
    set_task(model.config, task)
    return order != own_order


def _differing(labels: Sequence[str], theirs: Sequence[str], places: list[int | None]) -> str:
    """Name the first class on each side that the other lacks; nothing where one has no names."""
    if unnamed(theirs):
        return ""
    lacking = [label for label, place in zip(labels, places, strict=True) if place is None][:1]
    further = [name for place, name in enumerate(theirs) if place not in places][:1]
    told = [f"the data's '{label}' is none of the teacher's" for label in lacking]
    told += [f"the teacher's '{name}' none of the data's" for name in further]
    return "; " + ", ".join(told) if told else ""


def majority(task: Task, train: Labels, rows: Labels) -> Score:
    """Score the answer that needs no text.

    It is the most frequent class, the mean score or, of several labels, those most frequent ones
    that together do best on train (by micro-F1; by the share of rows all right, the most frequent
    set).
    """
    return score(task.metric, _constant(task, train, len(rows)), rows)


def _constant(task: Task, train: Labels, rows: int) -> Logits:
    """Return the same (rows, C) logits for every text."""
    logits = np.zeros((rows, task.outputs), dtype=np.float32)
    if task.kind == "classification":
        logits[:, np.bincount(train.astype(np.int64)).argmax()] = 1.0
    elif task.kind == "multi-label":
        logits[:] = np.where(_usual_set(task, train), 1.0, -1.0)
    else:
        logits[:, 0] = train.mean()
    return logits


def _usual_set(task: Task, train: Labels) -> npt.NDArray[np.bool_]:
    if task.metric == "subset_accuracy":
        sets, counts = np.unique(train, axis=0, return_counts=True)
        return np.asarray(sets[counts.argmax()] > 0)
    counts = train.sum(axis=0, dtype=np.float64)
    order = np.argsort(-counts, kind="stable")
    given = len(train) * np.arange(1, len(counts) + 1)
    scores = 2 * np.cumsum(counts[order]) / (given + counts.sum())
    return np.isin(np.arange(len(counts)), order[: scores.argmax() + 1])


def check_teacher(
    task: Task,
    logits: Logits,
    labels: Labels,
    floor: Score,
    *,
    names: Sequence[str] = (),
    fine_tuned: bool = False,
) -> Score:
    """Score a teacher on dev and refuse one that knows nothing; dev of one class cannot tell.

    Args:
        task: the task.
        logits: (N, C) the teacher's answers on dev.
        labels: (N,), or (N, C) of several labels, the truth.
        floor: the score of the most frequent class.
        names: the teacher's classes as its own config.json has them, from which `align_labels`
            brought them into the data's order; empty where that is the data's.
        fine_tuned: whether kdc has fine-tuned it already, and what is missing is another thing.

    Raises:
        KdcError: no better than the most frequent class, or its classes stand in another order
            (which is named).
    """
    found = score(task.metric, logits, labels)
    said = f"the teacher scores {found.metric} {100 * found.value:.1f} % on dev"
    order = _other_order(task, logits, labels, names)
    if order:
        raise KdcError(
            f"{said}, but its classes seem to be in the order {order}: write it into id2label of "
            "the teacher's config.json"
        )
    if knows_nothing(task, found, floor, labels):
        advice = "fine-tune it on this task first, with kdc teacher"
        advice = fine_tuning_advice(task) if fine_tuned else advice
        raise KdcError(f"{said}, {no_better(task, floor)}: {advice}")
    return found


def knows_nothing(task: Task, found: Score, floor: Score, labels: Labels) -> bool:
    """Whether a score on rows of these labels is no better than the most frequent answer's."""
    several = task.kind != "classification" or len(np.unique(labels)) > 1  # one cannot tell
    return several and found.value <= _least(task, floor)


def no_better(task: Task, floor: Score) -> str:
    """Say what a teacher's score is that knows nothing."""
    least = 100 * _least(task, floor)
    return f"no better than always giving the most frequent answer ({least:.1f} %)"


def _least(task: Task, floor: Score) -> float:
    """Return the score that says nothing: a constant correlates with nothing, chance a little."""
    return _NO_CORRELATION if task.kind == "regression" else floor.value


def fine_tuning_advice(task: Task) -> str:
    """Say what may help a teacher that was fine-tuned in vain."""
    rare = " or, where classes are rare, score by --metric macro_f1"
    return (
        "fine-tune it on more rows, for longer (kdc teacher --epochs) or from another --model"
        f"{rare if task.metric == 'accuracy' else ''}"
    )


def _other_order(task: Task, logits: Logits, labels: Labels, names: Sequence[str]) -> str:
    """Say what the classes of a teacher's own config.json really are; nothing where they fit."""
    if task.kind == "regression" or task.outputs > _MAX_ORDERED:
        return ""
    said, orders = predictions(logits, task.kind), list(permutations(range(task.outputs)))
    values = [_right(said, labels, order) for order in orders]
    best, value = orders[int(np.argmax(values))], max(values)
    constant = predictions(_constant(task, labels, len(labels)), task.kind)
    plain = max(values[0], _right(constant, labels, orders[0]))
    if value < plain + max(_CLEARLY, 2 / math.sqrt(len(labels))):  # few rows prove little
        return ""
    own = class_places(task.labels, names or task.labels)  # whose outputs were moved
    found = sorted(zip((place or 0 for place in own), best, strict=True))
    told = ", ".join(task.labels[index] for _, index in found)
    percent = f"{100 * value:.1f} %"
    return f"{told} ({percent} right)" if said.ndim == 1 else f"{told} (micro-F1 {percent})"


def _right(said: npt.NDArray[Any], labels: Labels, order: tuple[int, ...]) -> float:
    """Score what a model says, its classes renumbered: accuracy, or micro-F1 of several labels."""
    if said.ndim == 1:
        return accuracy(np.array(order)[said], labels)
    moved = np.empty_like(said)
    moved[:, order] = said
    return micro_f1(moved, labels)
