"""What a teacher's layers do on rows of the task: measured once, before a student is cut of it."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model

from kdc.compress.encode import Batches, equal_lengths
from kdc.compress.examples import Examples, pick
from kdc.compress.families import Sizes
from kdc.compress.layer_parts import part_of
from kdc.compress.signals import HIDDEN, Signals, observe

_ROWS, _TOKENS = 512, 8192  # at most, evenly spread over the rows: a few seconds of a small teacher
_BATCH = 32
Sums = defaultdict[str, Tensor | float]
Layer = dict[str, nn.Linear]


@dataclass
class States:
    """Sums over all tokens; a layer is known by the start of its modules' names."""

    covariance: Tensor
    """(H, H): of the hidden states, every layer counted alike; float64."""
    heads: dict[str, Tensor] = field(default_factory=dict)
    """Layer -> (A,): the squared norm of what each head adds to the states."""
    alike: dict[str, Tensor] = field(default_factory=dict)
    """Layer -> (A, A): products of the scores of two heads, each less its mean over the keys."""
    queries: dict[str, Tensor] = field(default_factory=dict)
    """Layer -> (A * d,): squares of queries times squares of keys, each summed: a dimension's
    share in the scores."""
    values: dict[str, Tensor] = field(default_factory=dict)
    """Layer -> (A * d,): sums of |what is mixed|."""
    neurons: dict[str, Tensor] = field(default_factory=dict)
    """Layer -> (F,): sums of |activation|, of the student's activation."""
    pooled: dict[str, Tensor] = field(default_factory=dict)
    """Head -> (H,): sums of |what is classified|."""


def some_rows(rows: Examples, tokens: int = _TOKENS) -> Examples:
    """Pick rows evenly: at most 512, and of about so many tokens together."""
    most = min(len(rows), _ROWS, max(_BATCH, int(tokens / rows.lengths.mean())))
    return pick(rows, np.linspace(0, len(rows) - 1, most).round().astype(int))


def layers_of(model: Model) -> dict[str, Layer]:
    """Return the linear modules of a model's layers, and of its head, by the names of `Parts`.

    Empty for a family that is not in the table.
    """
    found: dict[str, Layer] = defaultdict(dict)
    for name, module in model.named_modules():
        part = part_of(model.config.model_type, name)
        if part is not None and isinstance(module, nn.Linear):
            found[part[1]][part[0]] = module
    return dict(found)


@torch.no_grad()
def pass_over(
    model: Model, rows: Examples, padding: int, *, wants: frozenset[str] = frozenset()
) -> Iterator[Signals]:
    """Run a model over rows, in fp32, none of them padded."""
    batches = Batches(rows, padding, model.device)
    for index in equal_lengths(rows.lengths, _BATCH):
        yield observe(model, batches.make(index), wants=wants)


@contextmanager
def watched(
    modules: dict[str, nn.Module], look: Callable[[str, Tensor, Tensor], None]
) -> Iterator[None]:
    """Show a function what modules are given and what they make of it: (tokens, ...) each."""

    def hook_of(name: str) -> Any:  # noqa: ANN401
        def hook(module: Any, args: tuple[Tensor, ...], out: Tensor) -> None:  # noqa: ANN401
            look(name, args[0].detach().float(), out.detach().float())

        return hook

    hooks = [each.register_forward_hook(hook_of(name)) for name, each in modules.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def measure(
    teacher: Model, rows: Examples, padding: int, activation: Callable[[Tensor], Tensor]
) -> States:
    """Run a teacher over rows and sum up what its parts contribute.

    Args:
        teacher: in evaluation mode.
        rows: what it is run on, all of them.
        padding: the padding token's id.
        activation: the student's, by which its neurons are judged.
    """
    layers, count = layers_of(teacher), Sizes(teacher.config).heads
    states = States(torch.zeros(()))
    modules = {
        f"{layer} {part}": module
        for layer, parts in layers.items()
        for part, module in parts.items()
    }
    seen: dict[str, Tensor] = {}

    def look(name: str, x: Tensor, out: Tensor) -> None:
        layer, _, part = name.rpartition(" ")
        if part in ("query", "key"):
            seen[part] = out
        elif part == "mix":
            _look_at_heads(states, layer, (seen["query"], seen["key"], x), modules[name], count)
        elif part == "up":
            _add(states.neurons, layer, _sum(activation(out).abs()))
        elif part == "answer":
            _add(states.pooled, layer, _sum(x.abs()))

    products: list[Tensor | float] = [0.0] * (Sizes(teacher.config).layers + 1)
    with watched({**modules}, look):
        for signals in pass_over(teacher, rows, padding, wants=frozenset({HIDDEN})):
            for index, hidden in enumerate(signals.hidden[: len(products)]):
                flat = hidden.float().flatten(0, 1)
                products[index] = products[index] + (flat.T @ flat).cpu().double()
    states.covariance = sum(
        (each / each.trace() for each in products if isinstance(each, Tensor)), torch.zeros(())
    )
    return states


def _look_at_heads(
    states: States, layer: str, parts: tuple[Tensor, Tensor, Tensor], mix: nn.Linear, count: int
) -> None:
    """Count (B, T, A * d) queries, keys, and what is mixed."""
    query, key, context = (part.view(*part.shape[:-1], count, -1) for part in parts)
    weight = mix.weight.float().view(len(mix.weight), count, -1)
    added = torch.einsum("btad,had->abth", context, weight)
    _add(states.heads, layer, added.square().sum((1, 2, 3)))
    scores = torch.einsum("bqad,bkad->abqk", query, key) / math.sqrt(query.shape[-1])
    scores = (scores - scores.mean(-1, keepdim=True)).flatten(1)
    _add(states.alike, layer, scores @ scores.T)
    _add(states.queries, layer, _sum(parts[0].square()) * _sum(parts[1].square()))
    _add(states.values, layer, _sum(parts[2].abs()))


def _add(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    had = sums.get(name)
    sums[name] = value.cpu() if had is None else had + value.cpu()


def _sum(values: Tensor) -> Tensor:
    """Sum over everything but the last axis."""
    return values.flatten(0, -2).sum(0)
