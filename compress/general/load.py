"""Loading encoders for a corpus: with their masked-LM head, or without any head."""

from transformers import AutoModel, AutoModelForMaskedLM
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.families import set_dropout
from kdc.compress.models import Source, read_config
from kdc.compress.weights import check_weights, open_weights

_HEADS = ("ForMaskedLM", "ForPreTraining")
_DISCRIMINATOR = "ElectraForPreTraining"  # tells replaced words from others, and fills in none


def has_masked_lm(config: Config) -> bool:
    """Whether a checkpoint's configuration names a masked-LM head."""
    names = config.architectures if isinstance(config.architectures, list) else []
    return any(str(name).endswith(_HEADS) and name != _DISCRIMINATOR for name in names)


def load_masked_lm(source: Source, dropout: float = 0.0) -> Model:
    """Load an encoder with its masked-LM head, in fp32, on the CPU, in evaluation mode.

    Args:
        source: where it lies.
        dropout: probability for hidden states and attention while it is trained.

    Raises:
        KdcError: it has no such head, or its weights are damaged or do not fit its configuration.
    """
    return _load(source, dropout, words=True)


def load_bare(source: Source, dropout: float = 0.0) -> Model:
    """Load an encoder without any head, in fp32, on the CPU, in evaluation mode.

    Args:
        source: where it lies.
        dropout: probability for hidden states and attention while it is trained.

    Raises:
        KdcError: its weights are damaged or do not fit its configuration.
    """
    return _load(source, dropout, words=False)


def _load(source: Source, dropout: float, *, words: bool) -> Model:
    config = read_config(source.folder)
    if words and not has_masked_lm(config):
        raise KdcError(f"{source.name} has no masked-LM head: name a checkpoint that has one")
    set_dropout(config, dropout)
    model, info = open_weights(AutoModelForMaskedLM if words else AutoModel, source, config)
    check_weights(source, model, info, new=lambda key: "pooler" in key)
    found: Model = model.eval()
    return found
