"""What flows into a model's linear layers: rounded as the shipped file does, or only measured."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batches, equal_lengths
from kdc.compress.examples import Examples
from kdc.compress.families import FIRST_TOKEN, Sizes, layer_of
from kdc.compress.layer_parts import part_of
from kdc.compress.signals import observe

_UINT8 = 255
_BATCH = 64
_ROWS = 256  # evenly spread over the training rows, as for the exporter's calibration
Moments = dict[str, npt.NDArray[np.float32]]


class _StraightThrough(torch.autograd.Function):
    """Forward the rounded values, backward the gradient as if nothing had been rounded."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, rounded: Tensor) -> Tensor:  # noqa: ANN401
        return rounded.to(exact.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return gradient, None


def straight_through(exact: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
    """Round a tensor; its gradient is that of the exact one."""
    rounded = rounding(exact.detach().float())
    found: Tensor = _StraightThrough.apply(exact, rounded)  # type: ignore[no-untyped-call]
    return found


def round_inputs(x: Tensor, mask: Tensor | None) -> Tensor:
    """Round what flows into a linear layer to unsigned bytes, as DynamicQuantizeLinear does.

    Args:
        x: (..., K).
        mask: (B, T), 1 where there is a token, for an x of (B, T, K) in which each text has one
            scale, as if it were alone; None where each vector has its own.

    Returns:
        What the bytes stand for: x = scale * (byte - zero point), float32.
    """
    low, high = torch.aminmax(x, dim=-1)
    if mask is not None:  # what is padded counts as the 0 that every range holds
        low = (low * mask).amin(1, keepdim=True)
        high = (high * mask).amax(1, keepdim=True)
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low) / _UINT8
    scale = (scale + (scale == 0))[..., None]
    zero = (-low[..., None] / scale).round().clamp(0, _UINT8)
    return (x / scale).round_().clamp_(-zero, _UINT8 - zero).mul_(scale)


class RoundedInputs:
    """Rounds the inputs of a model's linear layers, each as the exported graph will."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._mask: Tensor | None = None
        self._calls: Counter[str] = Counter()
        self._seen: dict[bool, tuple[Tensor, Tensor]] = {}

    def hooks(self, linears: dict[str, nn.Linear]) -> list[Any]:
        """Register the hooks and return their handles."""
        begin = self._model.register_forward_pre_hook(self._begin, with_kwargs=True)
        hooks = [each.register_forward_pre_hook(self._hook(name)) for name, each in linears.items()]
        return [begin, *hooks]

    def _begin(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401
        self._mask = kwargs.get("attention_mask")
        self._calls.clear()
        self._seen.clear()

    def _hook(self, name: str) -> Callable[[Any, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        last = first_token_call(self._model, name)

        def hook(module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ANN401
            self._calls[name] += 1
            return (self._rounded(args[0], alone=self._calls[name] == last), *args[1:])

        return hook

    def _rounded(self, x: Tensor, *, alone: bool) -> Tensor:
        """Round an input; queries, keys and values have the same one, which is rounded once."""
        mask = None if alone or self._mask is None else self._mask
        if mask is not None and x.shape[:-1] != mask.shape:
            mask = None
        had = self._seen.get(mask is None)
        if had is not None and had[0] is x:
            return had[1]
        rounded = straight_through(x, lambda exact: round_inputs(exact, mask))
        self._seen[mask is None] = (x, rounded)
        return rounded


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


@torch.no_grad()
def second_moments(
    model: Model, linears: dict[str, nn.Linear], rows: Examples, padding: int
) -> Moments:
    """Sum x x^T over what linear layers are given for some of the rows: (K, K) by name.

    It is what the exporter measures on its calibration rows, which are these too.

    Args:
        model: any encoder, unrounded.
        linears: the layers by their names in the model.
        rows: the training rows; 256 of them are run, evenly spread.
        padding: the padding token's id.
    """
    sums: dict[str, Tensor] = {}
    calls: Counter[str] = Counter()

    def hook_of(name: str) -> Callable[[Any, tuple[Tensor, ...]], None]:
        last = first_token_call(model, name)

        def hook(module: Any, args: tuple[Tensor, ...]) -> None:  # noqa: ANN401
            calls[name] += 1
            x = args[0].float()
            if calls[name] == last:
                x = x[:, :1]
            x = x.reshape(-1, x.shape[-1])
            sums[name] = sums.get(name, 0) + x.T @ x

        return hook

    hooks = [each.register_forward_pre_hook(hook_of(name)) for name, each in linears.items()]
    hooks.append(model.register_forward_pre_hook(lambda *_: calls.clear()))
    picks = np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).round().astype(int)
    batches, was_training = Batches(rows, padding, model.device), model.training
    model.eval()
    for index in equal_lengths(rows.lengths[picks], _BATCH):
        observe(model, batches.make(picks[index]))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return {name: value.cpu().numpy() for name, value in sums.items()}
