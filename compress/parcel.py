"""What one process of a run sends another: functions, rows and whole models, as bytes.

Both are processes of one run of one installation, so that pickles may be trusted.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model


class _Pickler(pickle.Pickler):
    """Takes models apart: transformers hangs functions on them that cannot be pickled."""

    def reducer_override(self, thing: object) -> Any:  # noqa: ANN401 - as pickle has it
        if not isinstance(thing, Model):
            return NotImplemented
        still = [name for name, each in thing.named_parameters() if not each.requires_grad]
        table, state = thing.get_input_embeddings(), thing.state_dict()
        head = thing.get_output_embeddings()
        tied = head is not None and head.weight is getattr(table, "weight", None)
        return _rebuilt, (type(thing), thing.config, table, state, still, thing.training, tied)


class _Pickle:
    """The pickle module, as `torch.save` takes it."""

    Pickler = _Pickler


def _rebuilt(
    kind: Callable[[Config], Model],
    config: Config,
    table: torch.nn.Module,
    state: dict[str, Tensor],
    still: list[str],
    training: bool,
    tied: bool,
) -> Model:
    """Build a model anew: `table` looks its tokens up, `still` are the parameters at rest."""
    model = kind(config)
    model.set_input_embeddings(table)
    if tied:  # the head is the table
        model.tie_weights()
    model.load_state_dict(state)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in still)
    device = next(iter(state.values())).device
    return model.to(device).train(training)


def pack(thing: object) -> Tensor:
    """Return an object as a (N,) uint8 tensor on the CPU."""
    buffer = io.BytesIO()
    torch.save(thing, buffer, pickle_module=_Pickle)
    return torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)


def unpack(content: Tensor, devices: dict[str, str]) -> Any:  # noqa: ANN401
    """Return what `pack` was given.

    Args:
        content: its (N,) uint8.
        devices: where tensors go that were on a device of another name; others stay.
    """
    buffer = io.BytesIO(content.numpy().data)
    return torch.load(buffer, map_location=devices, weights_only=False)
