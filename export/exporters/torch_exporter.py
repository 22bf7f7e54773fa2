"""A student as torch's own exporter sees it: exact, and the same for every encoder family."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError
from kdc.export.onnx_file import save_model, tidy
from kdc.export.quiet import quiet

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

# the first opset with a Gelu of one node; every runtime since 2023 reads it
_OPSET = 20


def export_torch(folder: Path, out: Path, standard: bool) -> None:
    """Export a student folder with `torch.onnx`, dynamic in batch and length.

    Args:
        folder: a student folder.
        out: where the `.onnx` goes.
        standard: standard ONNX operators only; torch's graphs never hold others.

    Raises:
        KdcError: the weights do not fit the config, or the model does something that the
            exporter cannot follow.
    """
    import torch

    with quiet():
        model = load_model(folder)
        inputs = _example(model)
        axes = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
        try:
            program = torch.onnx.export(
                model,
                (),
                kwargs=inputs,
                input_names=list(inputs),
                output_names=["logits"],
                opset_version=_OPSET,
                dynamic_shapes=dict.fromkeys(inputs, axes),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            name = type(model).__name__
            raise KdcError(
                f"torch cannot export the {name} in {folder}: {first_line(error)}"
            ) from error
    if program is None:
        raise KdcError(f"torch exported nothing of {folder}: its version has no dynamo exporter")
    save_model(tidy(program.model_proto), out)


def load_model(folder: Path) -> "PreTrainedModel":
    """Load a student in fp32, ready to answer; nothing is downloaded, no foreign code is run.

    Attention is the eager one: it exports to fewer nodes than sdpa and runs faster.

    Raises:
        KdcError: the weights are damaged or do not fit the config.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="eager",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise KdcError(f"the model in {folder} does not load: {first_line(error)}") from error
    misfits = [*loaded["missing_keys"], *loaded["unexpected_keys"], *loaded["mismatched_keys"]]
    if misfits:
        raise KdcError(
            f"the weights in {folder} do not fit its config.json: {len(misfits)} tensors are "
            f"missing, left over or of another shape, such as {min(map(str, misfits))}"
        )
    return model.eval()


def _example(model: "PreTrainedModel") -> "dict[str, Tensor]":
    """Make two rows of seven tokens, one of them padded: nothing then looks constant to torch."""
    import inspect

    import torch

    ids = torch.full((2, 7), model.config.vocab_size - 1)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    types = getattr(model.config, "type_vocab_size", 0)
    if types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    return inputs


def first_line(error: Exception) -> str:
    """Return the first line of an error that was written for developers."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
