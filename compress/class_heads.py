"""The classes of a head: which of the data's they are, their order, and new ones."""

import re
from collections.abc import Sequence

import torch
from torch import nn
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.same_names import find_names


def class_names(config: Config) -> list[str]:
    """Return what a configuration calls the outputs of its head, in their order."""
    return [str(name) for _, name in sorted(config.id2label.items())]


def class_places(labels: Sequence[str], names: Sequence[str]) -> list[int | None]:
    """Return where a model has each of the data's classes; None for a class it does not have.

    A name is matched exactly, else without regard to case where that leaves no doubt. The order
    counts where both have as many and one has no names: `LABEL_0`, ..., or 0, 1, ... in the data.
    """
    found = find_names(labels, names)
    places = [found.get(label) for label in labels]
    numbered = list(labels) == [str(number) for number in range(len(names))]
    if None in places and len(labels) == len(names) and (numbered or unnamed(names)):
        return list(range(len(names)))
    return places


def unnamed(names: Sequence[str]) -> bool:
    """Whether a model's classes carry transformers' placeholders: `LABEL_0`, `LABEL_1`, ..."""
    return all(re.fullmatch(r"label_\d+", name, re.IGNORECASE) for name in names)


def last_layer(model: Model, outputs: int) -> nn.Linear:
    """Return the layer that gives the logits: the last matrix with one row an output."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return [module for module in linear if module.out_features == outputs][-1]


def reorder(model: Model, order: list[int]) -> None:
    """Permute the outputs of the head."""
    with torch.no_grad():
        for tensor in last_layer(model, len(order)).parameters():
            tensor.copy_(tensor[order])


def draw_head(model: Model) -> None:
    """Draw what is not the encoder anew, in place, as a new model has it."""
    fresh = dict(type(model)(model.config).named_parameters())
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if not name.startswith(f"{model.base_model_prefix}."):
                tensor.copy_(fresh[name])


def suit_head(model: Model, places: list[int | None]) -> None:
    """Bring a head into the order of `places`; draw it anew where a class has none."""
    order = [place for place in places if place is not None]
    if sorted(order) != list(range(len(places))):
        draw_head(model)
    elif order != sorted(order):
        reorder(model, order)
