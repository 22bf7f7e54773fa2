"""Training on scores of any scale: a model answers in the table's units and learns in its own.

A step moves a weight by about the learning rate whatever the loss is, so that scores of 0 to 100
would be out of reach of one that reaches 0 to 5. Losses therefore see (score - mean) / spread of
the training rows, and while it is trained the head's last layer is what gives such scores; they are
brought to the table's units behind it, and in the end within it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Array
from kdc.compress.class_heads import last_layer
from kdc.compress.signals import Signals


@dataclass(frozen=True)
class ScoreScale:
    """The mean and the standard deviation of the scores that are learned from."""

    mean: float
    spread: float

    @classmethod
    def of(cls, scores: Array) -> "ScoreScale | None":
        """Measure (N,) scores, of which NaN is none; None where they say nothing of a scale."""
        known = scores[~np.isnan(scores)].astype(np.float64)
        if not len(known) or not known.std() > 0:
            return None
        return cls(float(known.mean()), float(known.std()))

    def of_signals(self, signals: Signals) -> Signals:
        """Return what a model says with its (B, 1) scores as losses see them."""
        return replace(signals, logits=self.inner(signals.logits))

    def inner(self, scores: Tensor) -> Tensor:
        """Bring scores from the table's units to mean 0 and spread 1."""
        return (scores.float() - self.mean) / self.spread

    @torch.no_grad()
    def begin(self, model: Model) -> None:
        """Let the last layer give inner scores, in place; a new one is taken to do so already."""
        head = last_layer(model, 1)
        if head.bias.any():  # a new one's is 0
            head.weight.div_(self.spread)
            head.bias.sub_(self.mean).div_(self.spread)

    @contextmanager
    def behind(self, model: Model) -> Iterator[None]:
        """Bring what the last layer gives to the table's units, within the block."""

        def outer(module: Any, args: Any, out: Tensor) -> Tensor:  # noqa: ANN401
            return out.float() * self.spread + self.mean

        hook = last_layer(model, 1).register_forward_hook(outer)
        try:
            yield
        finally:
            hook.remove()

    @torch.no_grad()
    def end(self, model: Model) -> None:
        """Let the last layer itself give the table's units, in place."""
        head = last_layer(model, 1)
        head.weight.mul_(self.spread)
        head.bias.mul_(self.spread).add_(self.mean)
