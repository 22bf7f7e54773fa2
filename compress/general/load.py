"""Loading encoders for a corpus: with their masked-LM head, or without any head."""

import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoModelForMaskedLM
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.families import least_bytes, set_dropout
from kdc.compress.models import Source, read_config

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
    held = sum(path.stat().st_size for path in source.folder.glob("model*.safetensors"))
    if least_bytes(config) > held:  # building such a model could take all memory
        raise KdcError(
            f"the weights in {source.folder} do not fit its config.json: a model of those sizes "
            f"takes more than their {held:,} bytes"
        )
    set_dropout(config, dropout)
    kind = AutoModelForMaskedLM if words else AutoModel
    try:
        model, info = kind.from_pretrained(
            source.folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise KdcError(
            f"the weights in {source.folder} are damaged ({error}): fetch them again"
        ) from error
    except Exception as error:  # whatever a hostile configuration makes a constructor raise
        reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
        raise KdcError(f"{source.folder} cannot be loaded as an encoder: {reason}") from error
    keys = [*info["missing_keys"], *(key[0] for key in info["mismatched_keys"])]
    lost = sorted(str(key) for key in keys if "pooler" not in str(key))
    if lost:
        raise KdcError(
            f"the weights in {source.folder} do not fit its config.json: {len(lost)} tensors are "
            f"missing or of another shape, the first is {lost[0]}"
        )
    found: Model = model.eval()
    return found
