"""The last layer for the first token alone, where nobody looks at what it makes of the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.families import FIRST_TOKEN

_HEAD = "ForSequenceClassification"


@contextmanager
def first_token_alone(model: Model) -> Iterator[None]:
    """Spare a model the part of its last layer that no answer depends on, inside the block.

    Queries, keys and values are still those of all tokens; of what follows them, three quarters of
    a layer, only the first token's (B, 1, H) is computed. The logits and their gradients are the
    same. Models whose layers are not built as BERT's or that have another head run as ever, and so
    do compiled ones, which would be compiled anew for every call.

    Args:
        model: a classifier, or an encoder whose last states nobody reads.
    """
    encoder = model.base_model
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    known = model.config.model_type in FIRST_TOKEN
    headed = encoder is model or type(model).__name__.endswith(_HEAD)
    if layers is None or not known or not headed or encoder._compiled_call_impl is not None:
        yield
        return
    handle = layers[-1].attention.output.register_forward_pre_hook(_cut)
    try:
        yield
    finally:
        handle.remove()


def _cut(module: Any, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ANN401
    """Keep the first token of the (B, T, H) attention's output and of what it is added to."""
    return tuple(part[:, :1] for part in states)
