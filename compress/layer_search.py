"""Which of a teacher's layers a student starts from: those from which it answers most alike."""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
from transformers import PreTrainedModel as Model

from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.families import Sizes, layer_of
from kdc.compress.layer_maps import layer_map
from kdc.compress.reduction import Reduction, fill
from kdc.compress.teacher_states import some_rows

_MOST = 60  # choices that are all tried: 6 to 3 has 20, 12 to 4 has 495
_TOKENS = 4096  # of the rows that they are tried on
Choice = tuple[int, ...]


def search_layers(
    student: Model, teacher: Model, reduction: Reduction, rows: Examples, padding: int
) -> Choice:
    """Try choices of layers on some hundred rows, without any training.

    Few choices are all tried; of many, from every other layer on, each in turn is exchanged for
    the one that helps most, for as long as any does. A choice is as good as the student's logits
    are near to the teacher's, by their mean squared error.

    Args:
        student: is filled anew for every choice, and left with one of them.
        teacher: on the device that answers.
        reduction: what is kept of the teacher.
        rows: training rows.
        padding: the padding token's id.

    Returns:
        The 0-based teacher layer for each of the student's, rising.
    """
    ours, theirs = Sizes(student.config).layers, Sizes(teacher.config).layers
    start = tuple(layer_map("every-other", ours, theirs))
    layered = any(layer_of(name, ours) for name, _ in student.named_parameters())
    if ours >= theirs or not layered:  # ALBERT's layers are one
        return start
    rows = some_rows(rows, _TOKENS)
    wanted, tried = predict(teacher, rows, padding), dict[Choice, float]()

    def error(choice: Choice) -> float:
        if choice not in tried:
            fill(student, teacher, choice, reduction)
            tried[choice] = float(np.square(predict(student, rows, padding) - wanted).mean())
        return tried[choice]

    if comb(theirs, ours) <= _MOST:
        return min(combinations(range(theirs), ours), key=error)
    best, before = start, None
    while best != before:
        before = best
        for index in range(ours):
            best = min(_exchanged(best, index, theirs), key=error)
    return best


def _exchanged(choice: Choice, index: int, layers: int) -> Iterator[Choice]:
    """Yield a choice, and what it becomes with one of its layers exchanged for any other."""
    left = (*choice[:index], *choice[index + 1 :])
    yield choice
    for layer in range(layers):
        if layer not in choice:
            yield tuple(sorted((*left, layer)))
