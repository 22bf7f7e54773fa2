"""One set of names over every encoder family, through optimum's NormalizedConfigManager."""

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from optimum.utils import NormalizedConfigManager, NormalizedTextConfig
from torch import nn
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import layer_map

FIRST_TOKEN = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "albert")
"""Families whose head for classification reads the first token, and whose exported last layer
computes nothing else; single texts there have the vector of their one token type added to the
table of positions before it is rounded."""
_FFN = ("intermediate_size", "hidden_dim", "ffn_dim", "d_ff")
ACTIVATIONS = ("hidden_act", "activation", "hidden_activation", "activation_function")
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")
_AS_WIDE = ("embedding_size", "pooler_hidden_size")  # where they are as wide as the states
_PER_LAYER = ("layer_types", "attention_window")  # lists with an entry a layer
_POSITIONS = 512  # of families without a table of positions
# in part of a name: their positions are counted from the padding token on
_LATE = ("roberta", "camembert", "data2vec-text", "mpnet", "longformer")


class Sizes:
    """Reads and writes an encoder's sizes under one name, whatever its family calls them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._names = _normalized(config)

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return self._read(self._names.NUM_LAYERS)

    @property
    def hidden(self) -> int:
        """Width of the hidden states."""
        return self._read(self._names.HIDDEN_SIZE)

    @property
    def heads(self) -> int:
        """Attention heads in a layer."""
        return self._read(self._names.NUM_ATTENTION_HEADS)

    @property
    def ffn(self) -> int:
        """Width between a layer's two feed-forward matrices."""
        return self._read(_first(self.config, _FFN))

    @property
    def activation(self) -> str:
        """Name of the feed-forward activation."""
        return str(getattr(self.config, _first(self.config, ACTIVATIONS), "gelu"))

    def _read(self, name: str) -> int:
        try:
            return int(getattr(self.config, name))
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            raise KdcError(
                f"the family {self.config.model_type} has no {name} in its configuration: "
                "use a model of another family"
            ) from error

    def set(self, layers: int, hidden: int, heads: int, ffn: int, activation: str) -> None:
        """Write all sizes into the configuration."""
        wide = {name: hidden for name in _AS_WIDE if getattr(self.config, name, 0) == self.hidden}
        spread = layer_map("every-other", layers, self.layers)
        values = {
            **wide,
            **{name: [had[i] for i in spread] for name, had in self._per_layer()},
            self._names.NUM_LAYERS: layers,
            self._names.HIDDEN_SIZE: hidden,
            self._names.NUM_ATTENTION_HEADS: heads,
            _first(self.config, _FFN): ffn,
            _first(self.config, ACTIVATIONS): activation,
        }
        for name, value in values.items():
            setattr(self.config, name, value)

    def _per_layer(self) -> list[tuple[str, list[Any]]]:
        found = [(name, getattr(self.config, name, None)) for name in _PER_LAYER]
        return [(name, had) for name, had in found if isinstance(had, list)]


def _normalized(config: Config) -> type[NormalizedTextConfig]:
    names: type[NormalizedTextConfig] = NormalizedTextConfig  # BERT's, where a family is not listed
    with suppress(KeyError):
        found = NormalizedConfigManager.get_normalized_config_class(config.model_type)
        names = getattr(found, "func", found)  # an entry is the class itself or a partial over it
    return names


def _first(config: Config, names: Iterable[str]) -> str:
    names = tuple(names)
    return next((name for name in names if hasattr(config, name)), names[0])


def set_dropout(config: Config, probability: float) -> None:
    """Write the dropout of hidden states and attention; it takes effect when a model is built."""
    for name in _DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, probability)


def max_length(model: Model) -> int:
    """Return the longest text, in tokens, that an encoder has positions for.

    RoBERTa and its kin count positions from their padding index, which takes the first rows.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            taken = 0 if module.padding_idx is None else module.padding_idx + 1
            # Nystromformer's kin hold two rows more than they can number
            longest = min(module.num_embeddings - taken, model.config.max_position_embeddings)
            return int(longest)
    longest = getattr(model.config, "max_position_embeddings", None) or _POSITIONS
    return int(longest) if longest > 0 else _POSITIONS


def numbered(config: Config) -> int:
    """Return how many tokens a configuration has positions for; 0 where it does not say."""
    positions = int(getattr(config, "max_position_embeddings", None) or 0)
    late = any(family in str(config.model_type) for family in _LATE)
    return max(0, positions - (int(config.pad_token_id or 0) + 1 if late else 0))


def least_bytes(config: Config) -> int:
    """Return how many bytes the weights of a configuration take at the very least.

    A weight counts as one byte, of the widest table alone and of one square matrix a layer, so that
    factorised embeddings and shared layers stay below it.

    Raises:
        KdcError: the family's sizes cannot be read.
    """
    sizes = Sizes(config)
    tables = ("vocab_size", "max_position_embeddings", *_FFN)
    rows = [value for name in tables if isinstance(value := getattr(config, name, 0), int)]
    return sizes.hidden * max(*rows, sizes.layers * sizes.hidden)


def layer_of(name: str, layers: int) -> tuple[str, int] | None:
    """Split a parameter's name at its layer number.

    Returns the name with `{}` in place of the number, and the number; None for a parameter that
    belongs to no layer (embeddings, head, and the layers that ALBERT shares).
    """
    found = re.search(r"\blayers?\.(\d+)\.", name)
    if found is None or int(found[1]) >= layers:
        return None
    return f"{name[: found.start(1)]}{{}}{name[found.end(1) :]}", int(found[1])
