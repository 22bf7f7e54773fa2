"""How good the file that ships is where it runs: its answers on a device, beside other models'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.calibration import sigmoid, softmax
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.metrics import Score, alike, predictions, score
from kdc.compress.progress import Progress
from kdc.compress.task import Task
from kdc.export.cpu_profile import NATIVE
from kdc.export.devices import find_device
from kdc.export.jobs import Asked

HOST = "host"
_AT_ONCE = 512  # texts that a device is asked at once: minutes on the slowest
_KEPT = 100  # flipped texts that a document holds
_NONE = "none"  # where no label holds
_TENTH = 0.1  # of the labels' range: a score that is further off counts as flipped


@dataclass(frozen=True)
class Rows:
    """Texts with the truth, as the model that ships reads them."""

    examples: Examples
    """Tokens by the tokenizer that ships; labels in the order of the model's own classes."""
    task: Task
    """The model's task: its labels, and the metric to score by."""
    data: str
    """What to call them."""


def answers(
    model: Path,
    session: Mapping[str, object],
    examples: Examples,
    device: str,
    threads: int,
    progress: Progress,
    cpu_profile: str = NATIVE,
) -> Array:
    """Let a device answer every row alone.

    Args:
        model: the file that ships.
        session: how to open it (`SessionOptions.as_dict`).
        examples: the rows.
        device: a name from `DEVICES`, with its address.
        threads: threads that share one run.
        progress: shows how far it is.
        cpu_profile: a name from `CPU_PROFILES`; only the host takes another than `native`.

    Returns:
        (N, C) float32 logits.

    Raises:
        KdcError: the device cannot, or gives answers that are none.
    """
    chosen, address = find_device(device)
    found: list[list[float]] = []
    with progress.bar(f"answer on {device}", len(examples)) as advance:
        for start in range(0, len(examples), _AT_ONCE):
            part = range(start, min(start + _AT_ONCE, len(examples)))
            rows = [examples.row(index) for index in part]
            tokens, types = [row[0].tolist() for row in rows], [row[1].tolist() for row in rows]
            asked = Asked(str(model), tokens, types, threads, dict(session), cpu_profile)
            found += chosen.answer(asked, address).logits
            advance(len(rows))
    if len(found) == len(examples) and len({len(row) for row in found}) == 1:
        logits = np.array(found, dtype=np.float32)
        if np.isfinite(logits).all():
            return logits
    raise KdcError(f"{device} gives no usable answers to {len(examples)} texts of {model}")


def judge(
    name: str, device: str, rows: Rows, logits: Array, others: Mapping[str, Array]
) -> dict[str, Any]:
    """Score a device's answers and compare them with other models'.

    Args:
        name: the model, as the document calls it.
        device: where it answered.
        rows: what it was asked.
        logits: (N, C) what it answered.
        others: (N, C) answers of any of `student`, `teacher` and `host`.

    Returns:
        An entry of the document's `quality`.

    Raises:
        KdcError: answers of another shape than the task's.
    """
    task, gold = rows.task, rows.examples.labels
    for who, found in {device: logits, **others}.items():
        if found.shape != (len(gold), task.outputs):
            wanted = (len(gold), task.outputs)
            raise KdcError(f"{who} gives answers {found.shape} to {name}'s task, wanted {wanted}")
    scores = {who: score(task.metric, found, gold) for who, found in others.items()}
    return {
        "model": name,
        "device": device,
        "data": rows.data,
        **score(task.metric, logits, gold).as_dict(),
        "student": _told(scores.get("student")),
        "teacher": _told(scores.get("teacher")),
        "against": {who: compare(rows, logits, found) for who, found in others.items()},
    }


def compare(rows: Rows, logits: Array, other: Array) -> dict[str, Any]:
    """Compare two models' answers row by row.

    A row is flipped where the labels differ, or any of several; of a regression, where the scores
    are further apart than a tenth of the range of the rows' labels. Cosines are of a row's logits;
    a regression has but one, and so no angle.

    Args:
        rows: the N rows.
        logits: (N, C) answers of the file that ships.
        other: (N, C) answers of the other model.

    Returns:
        Share of rows that agree, least and median cosine, how many rows flipped, and the first
        hundred of them, those with the clearest change first.
    """
    kind, gold = rows.task.kind, rows.examples.labels
    ours, theirs = predictions(logits, kind), predictions(other, kind)
    if kind == "regression":
        change = np.abs(ours.astype(np.float64) - theirs)
        cosines, flipped = None, change > _TENTH * float(np.ptp(gold))
    else:
        cosines, flipped = cosine(logits, other), ~alike(ours, theirs)
        shares = sigmoid if kind == "multi-label" else softmax
        change = np.abs(shares(logits) - shares(other)).max(axis=1)
    order = np.argsort(-change, kind="stable")
    picked = [int(index) for index in order if flipped[index]]
    return {
        "agree": round(1 - len(picked) / len(gold), 6),
        "cosine": None if cosines is None else _cosines(cosines),
        "flips": len(picked),
        "flipped": [_flip(rows, index, (gold, ours, theirs)) for index in picked[:_KEPT]],
    }


def cosine(ours: Array, theirs: Array) -> Array:
    """Return (N,) cosines of the angles between the rows of two (N, C) arrays.

    Two rows of zeros point the same way; one beside anything else points nowhere, which is 0.
    """
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    same = (a == b).all(axis=1)
    products = (a * b).sum(axis=1)
    return np.where(same, 1.0, products / np.where(lengths > 0, lengths, 1.0))


def _cosines(values: Array) -> dict[str, float]:
    least, middle = float(values.min()), float(np.median(values))
    return {"min": round(least, 9), "median": round(middle, 9)}


def _flip(rows: Rows, index: int, columns: Sequence[Array]) -> dict[str, Any]:
    examples = rows.examples
    label, shipped, other = (_answer(rows.task, column[index]) for column in columns)
    pair = None if examples.pairs is None else examples.pairs[index]
    texts = {"text": examples.texts[index], "pair": pair}
    return {**texts, "label": label, "shipped": shipped, "other": other}


def _answer(task: Task, said: Any) -> str | float:  # noqa: ANN401 - a row of an array
    """Name what a model says: a class, a score, or the labels that hold."""
    if not task.labels:
        return round(float(said), 4)
    names = task.names(said)
    return names if isinstance(names, str) else ", ".join(names) or _NONE


def _told(found: Score | None) -> dict[str, Any] | None:
    return None if found is None else found.as_dict()
