"""Opening an encoder's weights, and what is checked of them: a folder may be anybody's."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.families import layer_of, least_bytes

if TYPE_CHECKING:
    from kdc.compress.models import Source

_EVERY = sys.maxsize


def weight_files(folder: Path) -> list[Path]:
    """Return a folder's safetensors of a model."""
    return [path for path in folder.glob("model*.safetensors") if path.is_file()]


def open_weights(kind: Any, source: "Source", config: Config) -> tuple[Model, dict[str, Any]]:  # noqa: ANN401
    """Open a folder's safetensors as one of transformers' kinds of model, in fp32 on the CPU.

    Args:
        kind: `AutoModel`, `AutoModelForMaskedLM`, ...
        source: the folder.
        config: its configuration, already checked.

    Returns:
        The model, and transformers' account of the tensors that did not fit.

    Raises:
        KdcError: the weights are damaged, or fewer than the configuration asks for.
    """
    held = sum(path.stat().st_size for path in weight_files(source.folder))
    if least_bytes(config) > held:  # building such a model could take all memory
        raise KdcError(
            f"the weights in {source.folder} do not fit its config.json: a model of those sizes "
            f"takes more than their {held:,} bytes; are they a Git LFS pointer, or cut off?"
        )
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
    return model, info


def check_weights(source: "Source", model: Model, info: Any, new: Callable[[str], bool]) -> None:  # noqa: ANN401
    """Raise KdcError where tensors are missing, of another shape or of layers that are not counted.

    Args:
        source: where they lie.
        model: what was made of them.
        info: transformers' account of it.
        new: whether a tensor may be missing, for it is drawn or never asked.
    """
    wrong = {str(key) for key in info["missing_keys"]}
    wrong |= {str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"]}
    lost = sorted(key for key in wrong if not new(key))
    if lost:
        raise KdcError(
            f"the weights in {source.folder} do not fit its config.json: {len(lost)} tensors are "
            f"missing or of another shape, the first is {lost[0]}"
        )
    left = _further_layers(model, {str(key) for key in info["unexpected_keys"]})
    if left:
        raise KdcError(
            f"the weights in {source.folder} do not fit its config.json: they hold layers that it "
            f"does not count, such as {left[0]}"
        )


def _further_layers(model: Model, unexpected: set[str]) -> list[str]:
    """Return the unexpected tensors that are a layer's in all but its number."""

    def layerless(name: str) -> str | None:
        place = layer_of(name.removeprefix(f"{model.base_model_prefix}."), _EVERY)
        return place and place[0]

    own = {layerless(name) for name, _ in model.named_parameters()} - {None}
    return sorted(key for key in unexpected if layerless(key) in own)
