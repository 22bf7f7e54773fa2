"""How each family of encoders calls what all of them have: one row of names a family."""

from dataclasses import dataclass

from kdc.export.graph.activations import ACTIVATIONS


@dataclass(frozen=True)
class Family:
    """Names in `config.json` and `model.safetensors`; those of weights end before `.weight`."""

    prefix: str
    """Of the encoder's own weights; the head's have none."""
    head: tuple[tuple[str, str | None], ...]
    """Matrices between the first token's state and the logits, each with its activation. A name
    that starts with a dot belongs to the encoder."""
    layer: str = "encoder.layer.{}"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mix: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    ffn_norm: str = "output.LayerNorm"
    projection: str | None = None
    """From the width of the embeddings to that of the hidden states, where they differ."""
    always_projects: bool = False
    """Whether the projection is there even where the widths are equal."""
    hidden_size: str = "hidden_size"
    embedding_size: str = "hidden_size"
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    ffn: str = "intermediate_size"
    activation: str = "hidden_act"
    after_padding: bool = False
    """Whether positions are counted from behind the padding token's id (RoBERTa)."""
    shared: bool = False
    """Whether layers share their weights by groups (ALBERT)."""


_TWO_STEPS: tuple[tuple[str, str | None], ...]
_TWO_STEPS = (("classifier.dense", "tanh"), ("classifier.out_proj", None))
_ROBERTA = Family("roberta", _TWO_STEPS, after_padding=True)

FAMILIES: dict[str, Family] = {
    "bert": Family("bert", ((".pooler.dense", "tanh"), ("classifier", None))),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": Family(
        "electra",
        (("classifier.dense", "gelu"), ("classifier.out_proj", None)),
        projection="embeddings_project",
        embedding_size="embedding_size",
    ),
    "distilbert": Family(
        "distilbert",
        (("pre_classifier", "relu"), ("classifier", None)),
        layer="transformer.layer.{}",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        mix="attention.out_lin",
        attention_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        ffn_norm="output_layer_norm",
        hidden_size="dim",
        embedding_size="dim",
        layers="n_layers",
        heads="n_heads",
        ffn="hidden_dim",
        activation="activation",
    ),
    "albert": Family(
        "albert",
        ((".pooler", "tanh"), ("classifier", None)),
        layer="encoder.albert_layer_groups.{}.albert_layers.0",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        mix="attention.dense",
        attention_norm="attention.LayerNorm",
        up="ffn",
        down="ffn_output",
        ffn_norm="full_layer_layer_norm",
        projection="encoder.embedding_hidden_mapping_in",
        always_projects=True,
        embedding_size="embedding_size",
        shared=True,
    ),
}
"""By `model_type`."""


def misfit(config: object) -> str | None:
    """Return why a transformers configuration cannot be described here, or None if it can."""
    kind = str(getattr(config, "model_type", None))
    family = FAMILIES.get(kind)
    if family is None:
        return f"it knows {', '.join(FAMILIES)}, not {kind}"
    wanted = {
        "position_embedding_type": ("absolute", None),
        "is_decoder": (False, None),
        "add_cross_attention": (False, None),
        "inner_group_num": (1, None),
        family.activation: tuple(ACTIVATIONS),
    }
    for name, values in wanted.items():
        value = getattr(config, name, None)
        if value not in values:
            return f"it cannot express {name} = {value!r}"
    names = getattr(config, "architectures", None) or []
    if names and not all(str(name).endswith("ForSequenceClassification") for name in names):
        return f"it reads classifiers, not {names[0]}"
    return None
