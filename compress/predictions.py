"""What logits say in words: a class and how probable, the labels that hold, or a score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.calibration import sigmoid, softmax
from kdc.compress.errors import KdcError
from kdc.compress.flips import Answer
from kdc.compress.metrics import predictions, refuse_broken
from kdc.compress.progress import plural
from kdc.compress.task import Task


@dataclass(frozen=True)
class Prediction:
    """A model's answer to one text, or one pair."""

    answer: Answer
    """The class, the labels that hold, or the score."""
    probabilities: tuple[tuple[str, float], ...]
    """Of classes or labels, the most probable first; empty for a score."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        said = list(self.answer) if isinstance(self.answer, tuple) else self.answer
        shares = [{"class": name, "probability": round(x, 6)} for name, x in self.probabilities]
        return {"answer": said, **({"probabilities": shares} if shares else {})}


def read_predictions(task: Task, logits: npt.NDArray[Any], top: int) -> list[Prediction]:
    """Put a model's logits into words.

    Args:
        task: what the model was made for. Of several labels each has a probability of its own, by
            the sigmoid; of classes they sum to 1, by the softmax.
        logits: (N, C), or (N, 1) scores.
        top: how many of the most probable to keep.

    Raises:
        KdcError: answers that are no numbers, or not one for each class.
    """
    refuse_broken(logits)
    if logits.shape[1] != task.outputs:
        raise KdcError(
            f"the model gives {plural(logits.shape[1], 'answer')} to a text, and its manifest "
            f"names {plural(task.outputs, 'class')}: it is damaged"
        )
    said = predictions(logits, task.kind)
    if task.kind == "regression":
        return [Prediction(float(score), ()) for score in said]
    shares = (sigmoid if task.kind == "multi-label" else softmax)(logits)
    return [
        Prediction(task.names(row), _most(task.labels, share, top))
        for row, share in zip(said, shares, strict=True)
    ]


def _most(
    labels: Sequence[str], shares: npt.NDArray[Any], top: int
) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-shares, kind="stable")[:top]
    return tuple((labels[place], float(shares[place])) for place in order)
