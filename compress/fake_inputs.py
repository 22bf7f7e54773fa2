"""What flows into a model's linear layers, rounded as the shipped file does."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model

from kdc.compress.layer_inputs import Call, first_token_call
from kdc.compress.outliers import Outliers
from kdc.compress.padding import by_token

_UINT8 = 255


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


def set_apart(x: Tensor, mask: Tensor | None, outliers: Outliers) -> Tensor:
    """Round what is in the range of most channels; what a few have beyond it stays as it is.

    Args:
        x: (..., K).
        mask: as for `round_inputs`.
        outliers: the few channels; all others are clipped.

    Returns:
        What the exported layer multiplies, in 8 bits and beside them, float32.
    """
    near = x.clamp(-outliers.limit, outliers.limit)
    rounded = round_inputs(near, mask)
    for few in outliers.channels:  # a list of them would be copied to a GPU, which waits for it
        rounded[..., few] += x[..., few] - near[..., few]
    return rounded


class RoundedInputs:
    """Rounds the inputs of a model's linear layers, each as the exported graph will."""

    def __init__(self, model: Model, outliers: dict[Call, Outliers]) -> None:
        """Choose the model; channels of its activations that are out of range, where some are."""
        self._model = model
        self._outliers = outliers
        self._mask: Tensor | None = None
        self._calls: Counter[str] = Counter()
        self._seen: dict[bool, tuple[Tensor, Tensor]] = {}

    def hooks(self, linears: dict[str, nn.Linear]) -> list[Any]:
        """Register the hooks and return their handles."""
        begin = self._model.register_forward_pre_hook(self._begin, with_kwargs=True)
        hooks = [each.register_forward_pre_hook(self._hook(name)) for name, each in linears.items()]
        return [begin, *hooks]

    def _begin(self, module: Any, args: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401
        mask = kwargs.get("attention_mask")  # none of texts of one length, which have a scale each
        self._mask = torch.ones_like(kwargs["input_ids"]) if mask is None else by_token(mask)
        self._calls.clear()
        self._seen.clear()

    def _hook(self, name: str) -> Callable[[Any, tuple[Tensor, ...]], tuple[Tensor, ...]]:
        last = first_token_call(self._model, name)

        def hook(module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ANN401
            self._calls[name] += 1
            call = (name, self._calls[name])
            return (self._rounded(args[0], call, alone=call[1] == last), *args[1:])

        return hook

    def _rounded(self, x: Tensor, call: Call, *, alone: bool) -> Tensor:
        """Round an input; queries, keys and values have the same one, which is rounded once."""
        mask = None if alone or self._mask is None else self._mask
        if mask is not None and x.shape[:-1] != mask.shape:
            mask = None
        had = self._seen.get(mask is None)
        if had is not None and had[0] is x:
            return had[1]
        found = self._outliers.get(call)
        rounding = partial(round_inputs, mask=mask)
        if found is not None:
            rounding = partial(set_apart, mask=mask, outliers=found)
        rounded = straight_through(x, rounding)
        self._seen[mask is None] = (x, rounded)
        return rounded
