"""What a model says about a batch, apart from how it is scored."""

from dataclasses import dataclass
from inspect import signature
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batch

LOGITS = "logits"
HIDDEN = "hidden states"


@dataclass(frozen=True)
class Signals:
    """A model's answers to one batch."""

    logits: Tensor
    """(B, C) float32."""
    hidden: tuple[Tensor, ...]
    """L + 1 tensors (B, T, H): the embeddings, then every layer; empty unless asked for."""
    mask: Tensor
    """(B, T) int64, 1 where there is a token."""


def observe(model: Model, batch: Batch, *, hidden: bool = False) -> Signals:
    """Run a model over a batch and keep what it says."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.mask}
    types = getattr(model.config, "type_vocab_size", 0)  # with one type there is nothing to tell
    if types > 1 and "token_type_ids" in signature(model.forward).parameters:
        inputs["token_type_ids"] = batch.types
    out = model(**inputs, output_hidden_states=hidden, return_dict=True)
    states = tuple(out.hidden_states) if hidden else ()
    return Signals(out.logits.float(), states, batch.mask)


class Teacher(Protocol):
    """Where the teacher's signals for a batch come from."""

    def __call__(self, batch: Batch) -> Signals:
        """Answer a batch."""


class OnlineTeacher:
    """Runs the teacher for every batch: needed when an objective asks for more than logits."""

    def __init__(self, model: Model, *, hidden: bool) -> None:
        self.model = model.eval().requires_grad_(False)
        self.hidden = hidden

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Signals:
        """Run the teacher."""
        return observe(self.model, batch, hidden=self.hidden)


class KeptTeacher:
    """Looks the teacher's logits up: it ran once over the training rows."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        """(N, C) float32, on the device that trains."""

    def __call__(self, batch: Batch) -> Signals:
        """Pick the rows of the batch."""
        return Signals(self.logits[batch.index], (), batch.mask)


class NoTeacher:
    """For objectives that ask the teacher nothing."""

    def __call__(self, batch: Batch) -> Signals:
        """Answer with an empty signal."""
        return Signals(batch.labels.new_empty((0, 0), dtype=torch.float32), (), batch.mask)
