"""What is checked about a teacher before anything is trained from it."""

import math
import re
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.metrics import METRICS, Score, accuracy, score
from kdc.compress.models import set_task
from kdc.compress.task import Task

_MAX_ORDERED = 6  # classes whose every order is tried when a teacher seems to use another one
_CLEARLY = 0.1  # by how much more right another order has to be
_NO_CORRELATION = 0.05
Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64] | npt.NDArray[np.float32]


def align_labels(model: Model, task: Task) -> bool:
    """Bring a teacher's classes into the order of the data's, in place.

    Classes are matched by name (see `class_places`). A teacher whose classes have no names
    (`LABEL_0`, ...) is taken to have the data's order; `check_teacher` then finds out.

    Returns:
        Whether the order was another one.

    Raises:
        KdcError: another number of classes, or other names.
    """
    theirs = [str(name) for _, name in sorted(model.config.id2label.items())]
    if task.kind == "regression":
        if len(theirs) != 1:
            raise KdcError(f"the teacher has {len(theirs)} classes, but the data holds scores")
        return False
    if len(theirs) != task.outputs:
        raise KdcError(
            f"the teacher has {len(theirs)} classes, the data {task.outputs} "
            f"({_some(task.labels)}): it was fine-tuned on another task"
        )
    places = class_places(task.labels, theirs)
    own_order = list(range(len(theirs)))
    order = [place for place in places if place is not None]
    if len(order) < len(places) and unnamed(theirs):
        order = own_order
    if sorted(order) != own_order:
        raise KdcError(
            f"the teacher's classes ({_some(theirs)}) are not the data's ({_some(task.labels)}): "
            "it was fine-tuned on another task"
        )
    if order != own_order:
        _reorder(model, order)
    set_task(model.config, task)
    return order != own_order


def class_places(labels: Sequence[str], names: Sequence[str]) -> list[int | None]:
    """Return where a model has each of the data's classes; None for a class it does not have.

    A name is matched exactly, else without regard to case where that leaves no doubt.
    """
    folded = [name.casefold() for name in names]
    exact = {name: index for index, name in enumerate(names)}
    loose = {name: index for index, name in enumerate(folded) if folded.count(name) == 1}
    return [exact.get(label, loose.get(label.casefold())) for label in labels]


def unnamed(names: Sequence[str]) -> bool:
    """Whether a model's classes carry transformers' placeholders: `LABEL_0`, `LABEL_1`, ..."""
    return all(re.fullmatch(r"label_\d+", name, re.IGNORECASE) for name in names)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _reorder(model: Model, order: list[int]) -> None:
    """Permute the outputs of the head: its last matrix with one row a class."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    head = [module for module in linear if module.out_features == len(order)][-1]
    with torch.no_grad():
        for tensor in head.parameters():
            tensor.copy_(tensor[order])


def majority(task: Task, train: Labels, rows: Labels) -> Score:
    """Score the answer that needs no text: the most frequent class, or the mean score."""
    logits = np.zeros((len(rows), task.outputs), dtype=np.float32)
    if task.kind == "classification":
        logits[:, np.bincount(train.astype(np.int64)).argmax()] = 1.0
    else:
        logits[:, 0] = train.mean()
    return score(task.metric, logits, rows)


def check_teacher(task: Task, logits: Logits, labels: Labels, floor: Score) -> Score:
    """Score a teacher on dev and refuse one that knows nothing.

    Args:
        task: the task.
        logits: (N, C) the teacher's answers on dev.
        labels: (N,) the truth.
        floor: the score of the most frequent class.

    Raises:
        KdcError: no better than the most frequent class, or its classes stand in another order
            (which is named).
    """
    found = score(task.metric, logits, labels)
    least = floor.value if METRICS[task.metric].kind == "classification" else _NO_CORRELATION
    said = f"the teacher scores {found.metric} {100 * found.value:.1f} % on dev"
    order = _other_order(task, logits, labels)
    if order:
        raise KdcError(
            f"{said}, but its classes seem to be in the order {order}: write it into id2label of "
            "the teacher's config.json"
        )
    if found.value <= least:
        raise KdcError(
            f"{said}, no better than always giving the most frequent answer "
            f"({100 * least:.1f} %): fine-tune it on this task first, with kdc teacher"
        )
    return found


def _other_order(task: Task, logits: Logits, labels: Labels) -> str:
    if task.kind == "regression" or task.outputs > _MAX_ORDERED:
        return ""
    answers = logits.argmax(axis=1)
    orders = permutations(range(task.outputs))
    best = max(orders, key=lambda order: accuracy(np.array(order)[answers], labels))
    value = accuracy(np.array(best)[answers], labels)
    plain = max(accuracy(answers, labels), np.bincount(labels.astype(np.int64)).max() / len(labels))
    if value < plain + max(_CLEARLY, 2 / math.sqrt(len(labels))):  # few rows prove little
        return ""
    names = ", ".join(task.labels[index] for index in best)
    return f"{names} ({100 * value:.1f} % right)"
