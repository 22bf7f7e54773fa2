"""`golden.json`: texts with the ids, logits and labels that every app must reproduce."""

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from kdc.compress.arrays import Array
from kdc.compress.artifact import Student
from kdc.compress.errors import GateFailed
from kdc.compress.examples import Examples
from kdc.compress.files import write_json
from kdc.compress.metrics import predictions
from kdc.compress.task import Task
from kdc.export.awkward import awkward_texts
from kdc.export.parity import spread, unit
from kdc.export.session import Session

TOLERANCE = 0.02
"""Difference of a logit that another runtime's arithmetic may make; of scores so many units."""
_USUAL = 16  # texts of the task itself
_Row = tuple[str, str | None]


def write_golden(
    path: Path, session: Session, tokenizer: Tokenizer, student: Student, dev: Examples
) -> None:
    """Run 16 texts of the task and the awkward ones, each alone, through what ships.

    Args:
        path: where `golden.json` goes.
        session: the shipped model.
        tokenizer: the shipped `tokenizer.json`.
        student: the student folder.
        dev: the task's texts, spread over their labels.

    Raises:
        GateFailed: an answer is not finite.
    """
    task = student.task
    usual = _spread_over_labels(dev)
    if len(usual) < _USUAL:
        usual += _spread_over_labels(student.calibration())[: _USUAL - len(usual)]
    rows = usual + _awkward(student.max_length, task.pair)
    encoded = [tokenizer.encode(*row) for row in rows]
    answers = [session.run(np.array(row.ids), np.array(row.type_ids)) for row in encoded]
    if not np.isfinite(answers).all():
        raise GateFailed("the model answers NaN or infinity to awkward texts: distil again")
    golden: dict[str, Any] = {"texts": [text for text, _ in rows]}
    if task.pair:
        golden["pairs"] = [pair for _, pair in rows]
    golden["input_ids"] = [row.ids for row in encoded]
    if task.pair:
        golden["token_type_ids"] = [row.type_ids for row in encoded]
    golden["logits"] = [[round(float(x), 6) for x in answer] for answer in answers]
    golden["labels"] = [_label(answer, task) for answer in answers]
    write_json(path, {**golden, "tolerance": TOLERANCE * unit(np.stack(answers), task.kind)})


def _spread_over_labels(examples: Examples) -> list[_Row]:
    """Pick up to 16 rows, evenly over the rows in the order of their labels."""
    labels = np.atleast_2d(examples.labels.T)
    order = np.lexsort(labels[::-1])  # by the first of several labels, then by the second, ...
    picked = order[spread(len(order), _USUAL)]
    pairs = examples.pairs
    return [(examples.texts[index], pairs[index] if pairs else None) for index in picked]


def _awkward(max_length: int, pair: bool) -> list[_Row]:
    """Return the awkward rows; a pair's second text is the awkward text five further on."""
    texts = awkward_texts(max_length)
    if not pair:
        return [(text, None) for text in texts]
    return list(zip(texts, texts[5:] + texts[:5], strict=True))


def _label(logits: Array, task: Task) -> str | float | tuple[str, ...]:
    if task.kind == "regression":
        return round(float(logits[0]), 6)
    return task.names(predictions(logits[None], task.kind)[0])
