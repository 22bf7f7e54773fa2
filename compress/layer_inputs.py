"""What flows into a model's linear layers on real rows: second moments, and outlier channels.

The exporter measures the same of its graph, on the same calibration rows.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model
from transformers.activations import ACT2FN

from kdc.compress.encode import Batches, equal_lengths
from kdc.compress.examples import Examples
from kdc.compress.families import FIRST_TOKEN, Sizes, layer_of
from kdc.compress.layer_parts import part_of
from kdc.compress.outliers import Outliers, far_out
from kdc.compress.signals import observe

_BATCH = 64
_NAMES = ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu")
_ACTIVATIONS = (nn.GELU, nn.ReLU, *(type(ACT2FN[name]) for name in _NAMES))
Moments = dict[str, npt.NDArray[np.float32]]
Call = tuple[str, int]
"""A linear layer by its name, and which of its calls in a forward pass, from 1."""
_Note = Callable[[Call, Tensor, bool], None]


def second_moments(
    model: Model, linears: dict[str, nn.Linear], rows: Examples, padding: int
) -> Moments:
    """Sum x x^T over what linear layers are given for some of the rows: (K, K) by name.

    Args:
        model: any encoder, unrounded.
        linears: the layers by their names in the model.
        rows: the calibration rows.
        padding: the padding token's id.
    """
    sums: dict[str, Tensor] = {}

    def add(call: Call, x: Tensor, active: bool) -> None:
        sums[call[0]] = sums.get(call[0], 0) + x.T @ x

    _watch(model, linears, rows, padding, add)
    return {name: value.cpu().numpy() for name, value in sums.items()}


def find_outliers(
    model: Model, linears: dict[str, nn.Linear], rows: Examples, padding: int
) -> dict[Call, Outliers]:
    """Find the outlier channels of what comes from activations; see `second_moments`."""
    sizes: dict[Call, Tensor] = {}

    def widen(call: Call, x: Tensor, active: bool) -> None:
        if active:
            size = x.abs().amax(0)
            sizes[call] = torch.maximum(sizes.get(call, size), size)

    _watch(model, linears, rows, padding, widen)
    found = {call: far_out(size.cpu().numpy()) for call, size in sizes.items()}
    return {call: outliers for call, outliers in found.items() if outliers is not None}


@torch.no_grad()
def _watch(
    model: Model, linears: dict[str, nn.Linear], rows: Examples, padding: int, note: _Note
) -> None:
    """Call `note` with every input, (T, K) float32, and whether an activation made it."""
    calls: Counter[str] = Counter()
    made: list[Tensor] = []  # held, so that no other value of this pass is put in their place

    def begin(*_: Any) -> None:  # noqa: ANN401
        calls.clear()
        made.clear()

    def mark(module: nn.Module, args: Any, out: Any) -> None:  # noqa: ANN401
        if isinstance(module, _ACTIVATIONS):
            made.append(out)

    def hook_of(name: str) -> Callable[[Any, tuple[Tensor, ...]], None]:
        last = first_token_call(model, name)

        def hook(module: Any, args: tuple[Tensor, ...]) -> None:  # noqa: ANN401
            calls[name] += 1
            x = args[0]
            active = any(x.data_ptr() == out.data_ptr() for out in made)
            if calls[name] == last:
                x = x[:, :1]
            note((name, calls[name]), x.reshape(-1, x.shape[-1]).float(), active)

        return hook

    hooks = [each.register_forward_pre_hook(hook_of(name)) for name, each in linears.items()]
    hooks.append(model.register_forward_pre_hook(begin))
    # of all modules: DistilBERT makes the activation of its head anew in every pass
    hooks.append(nn.modules.module.register_module_forward_hook(mark))
    batches, was_training = Batches(rows, padding, model.device), model.training
    model.eval()
    try:
        for index in equal_lengths(rows.lengths, _BATCH):
            observe(model, batches.make(index))
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)


def first_token_call(model: Model, name: str) -> int:
    """Return which call of a linear layer in a forward pass counts for the first token alone.

    The exported last layer computes no other; for keys and values it needs all. 0 is none.
    """
    family, layers = model.config.model_type, Sizes(model.config).layers
    part = part_of(family, name)
    if family not in FIRST_TOKEN or part is None or part[0] not in ("query", "mix", "up", "down"):
        return 0
    groups = getattr(model.config, "num_hidden_groups", None)
    if groups:  # ALBERT's layers are passed several times
        shared = [int(index / (layers / groups)) for index in range(layers)]
        within = f"albert_layer_groups.{shared[-1]}." in name
        return shared.count(shared[-1]) if within else 0
    place = layer_of(f"{name}.", layers)
    return int(place is not None and place[1] == layers - 1)
