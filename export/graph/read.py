"""From a checkpoint of any family in the table to the one description of an encoder."""

from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.graph.encoder import Array, Embeddings, Encoder, Layer, Step
from kdc.export.graph.families import FAMILIES, Family, misfit
from kdc.export.graph.weights import Weights

Config = Any
"""transformers' configuration, whose fields differ from family to family."""


def load_config(folder: Path) -> Config:
    """Read a `config.json` with its family's defaults; nothing is downloaded or run.

    Raises:
        KdcError: it is missing, damaged or of a family that transformers does not know.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers' checks have errors of their own, without a base
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise KdcError(f"{folder / 'config.json'} cannot be used: {reason}") from error


def read_encoder(folder: Path, *, pair: bool, longest: int | None = None) -> Encoder:
    """Describe the classifier in a folder.

    Args:
        folder: `config.json` and `model.safetensors`.
        pair: whether it is asked about two texts; of a single one every token has type 0, whose
            vector then becomes part of the positions.
        longest: tokens of the longest text; positions beyond it are left out.

    Raises:
        KdcError: the family is not in the table, or weights and configuration do not fit.
    """
    config = load_config(folder)
    reason = misfit(config)
    if reason is not None:
        raise KdcError(f"the lean exporter cannot read {folder}: {reason}; use --exporter torch")
    family, weights = FAMILIES[config.model_type], Weights(folder)
    encoder = Encoder(
        embeddings=_embeddings(family, weights, config, pair, longest),
        layers=_layers(family, weights, config),
        activation=str(getattr(config, family.activation)),
        head=_head(family, weights, config),
    )
    weights.finish()
    return encoder


def _embeddings(
    family: Family, weights: Weights, config: Config, pair: bool, longest: int | None
) -> Embeddings:
    hidden, width = (_size(config, name) for name in (family.hidden_size, family.embedding_size))
    start = f"{family.prefix}.embeddings"
    positions = weights.take(f"{start}.position_embeddings.weight", -1, width)
    if family.after_padding:
        positions = positions[_size(config, "pad_token_id", least=0) + 1 :]
    types: Array | None = None
    if weights.has(f"{start}.token_type_embeddings.weight"):
        types = weights.take(f"{start}.token_type_embeddings.weight", -1, width)
        if len(types) == 1 or not pair:
            positions, types = positions + types[0], None
    projection = None
    if family.projection and (family.always_projects or width != hidden):
        projection = weights.linear(f"{family.prefix}.{family.projection}", width, hidden)
    return Embeddings(
        words=weights.take(f"{start}.word_embeddings.weight", -1, width),
        positions=np.ascontiguousarray(positions[:longest]),
        types=types,
        norm=weights.norm(f"{start}.LayerNorm", width, _epsilon(config)),
        projection=projection,
    )


def _layers(family: Family, weights: Weights, config: Config) -> tuple[Layer, ...]:
    count = _size(config, family.layers)
    groups = _size(config, "num_hidden_groups") if family.shared else count
    read = [_layer(family, weights, config, group) for group in range(min(groups, count))]
    # the same division that transformers makes: equal runs of layers share a group
    return tuple(read[int(index / (count / groups))] for index in range(count))


def _layer(family: Family, weights: Weights, config: Config, index: int) -> Layer:
    hidden, ffn = _size(config, family.hidden_size), _size(config, family.ffn)
    heads, epsilon = _size(config, family.heads), _epsilon(config)
    if hidden % heads:
        raise KdcError(f"{weights.path}: {heads} heads do not divide the width {hidden}")
    start = f"{family.prefix}.{family.layer.format(index)}"
    return Layer(
        name=f"layer.{index}",
        heads=heads,
        query=weights.linear(f"{start}.{family.query}", hidden, hidden),
        key=weights.linear(f"{start}.{family.key}", hidden, hidden),
        value=weights.linear(f"{start}.{family.value}", hidden, hidden),
        mix=weights.linear(f"{start}.{family.mix}", hidden, hidden),
        attention_norm=weights.norm(f"{start}.{family.attention_norm}", hidden, epsilon),
        up=weights.linear(f"{start}.{family.up}", hidden, ffn),
        down=weights.linear(f"{start}.{family.down}", ffn, hidden),
        ffn_norm=weights.norm(f"{start}.{family.ffn_norm}", hidden, epsilon),
    )


def _head(family: Family, weights: Weights, config: Config) -> tuple[Step, ...]:
    hidden, steps = _size(config, family.hidden_size), []
    for index, (name, activation) in enumerate(family.head):
        last = index == len(family.head) - 1
        outputs = _size(config, "num_labels") if last else hidden
        full = f"{family.prefix}{name}" if name.startswith(".") else name
        steps.append(Step(f"head.{index}", weights.linear(full, hidden, outputs), activation))
    return tuple(steps)


def _epsilon(config: Config) -> float:
    return float(getattr(config, "layer_norm_eps", 1e-12))  # DistilBERT's is in its code


def _size(config: Config, name: str, least: int = 1) -> int:
    value = getattr(config, name, None)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise KdcError(f"config.json has no usable {name}: {value!r}")
    return value
