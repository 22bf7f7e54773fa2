"""One set of names over every encoder family, through optimum's NormalizedConfigManager."""

import re
from collections.abc import Iterable

from optimum.utils import NormalizedConfigManager, NormalizedTextConfig
from torch import nn
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

_FFN = ("intermediate_size", "hidden_dim", "ffn_dim", "d_ff")
_ACTIVATION = ("hidden_act", "activation", "hidden_activation", "activation_function")
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")
_POSITIONS = 512  # of families without a table of positions


class Sizes:
    """Reads and writes an encoder's sizes under one name, whatever its family calls them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._names = _normalized(config)

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return int(getattr(self.config, self._names.NUM_LAYERS))

    @property
    def hidden(self) -> int:
        """Width of the hidden states."""
        return int(getattr(self.config, self._names.HIDDEN_SIZE))

    @property
    def heads(self) -> int:
        """Attention heads in a layer."""
        return int(getattr(self.config, self._names.NUM_ATTENTION_HEADS))

    @property
    def ffn(self) -> int:
        """Width between a layer's two feed-forward matrices."""
        return int(getattr(self.config, _first(self.config, _FFN)))

    @property
    def activation(self) -> str:
        """Name of the feed-forward activation."""
        return str(getattr(self.config, _first(self.config, _ACTIVATION)))

    def set(self, layers: int, hidden: int, heads: int, ffn: int, activation: str) -> None:
        """Write all sizes into the configuration."""
        values = {
            self._names.NUM_LAYERS: layers,
            self._names.HIDDEN_SIZE: hidden,
            self._names.NUM_ATTENTION_HEADS: heads,
            _first(self.config, _FFN): ffn,
            _first(self.config, _ACTIVATION): activation,
        }
        for name, value in values.items():
            setattr(self.config, name, value)


def _normalized(config: Config) -> type[NormalizedTextConfig]:
    try:
        found = NormalizedConfigManager.get_normalized_config_class(config.model_type)
    except KeyError:  # families that optimum has not listed use BERT's names
        return NormalizedTextConfig
    # a table entry is the class itself or a partial over it
    normalized: type[NormalizedTextConfig] = getattr(found, "func", found)
    return normalized


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
            return module.num_embeddings - taken
    return int(getattr(model.config, "max_position_embeddings", _POSITIONS))


def layer_of(name: str, layers: int) -> tuple[str, int] | None:
    """Split a parameter's name at its layer number.

    Returns the name with `{}` in place of the number, and the number; None for a parameter that
    belongs to no layer (embeddings, head, and the layers that ALBERT shares).
    """
    found = re.search(r"\blayers?\.(\d+)\.", name)
    if found is None or int(found[1]) >= layers:
        return None
    return f"{name[: found.start(1)]}{{}}{name[found.end(1) :]}", int(found[1])
