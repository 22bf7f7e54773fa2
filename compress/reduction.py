"""How a wider teacher's tensors become a narrower student's: chosen, rotated and refitted.

What a student keeps is chosen by what it does on rows of the task: directions of the hidden
states, heads, neurons. Linear layers that lose some of their inputs are fitted anew by least
squares to give what the teacher's gave (as He et al. 2017, arXiv 1707.06168, prune channels), and
norms to the states that are now shorter. Nothing of it takes a gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model
from transformers.activations import ACT2FN

from kdc.compress.directions import principal_directions
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.families import Sizes, layer_of
from kdc.compress.heads import Heads, choose_heads
from kdc.compress.layer_parts import part_of
from kdc.compress.least_squares import LinearFit, NormFit
from kdc.compress.teacher_states import (
    Layer,
    States,
    layers_of,
    measure,
    pass_over,
    some_rows,
    watched,
)


@dataclass
class Reduction:
    """What is kept of a teacher, for every one of its layers."""

    family: str
    basis: Tensor | None = None
    """(H, W) orthonormal directions of the hidden states; None where the student is as wide."""
    heads: dict[str, Heads] = field(default_factory=dict)
    """Layer -> which entries of the heads."""
    neurons: dict[str, Tensor] = field(default_factory=dict)
    """Layer, or head -> which neurons of the feed-forward half, or which pooled numbers."""
    linears: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Linear module that lost inputs -> (N, k) weight and (N,) bias, fitted anew; their outputs are
    still the teacher's."""
    norms: dict[str, tuple[Tensor, Tensor | None]] = field(default_factory=dict)
    """Norm -> (W,) scale and shift."""

    def cut(self, name: str, source: Tensor, like: Tensor) -> Tensor:
        """Cut a teacher's tensor to the shape of `like`.

        A dimension of the teacher's width is rotated into the basis; any other that is too long,
        and that nothing is known of, keeps evenly spread entries. A norm's scale that was not
        fitted keeps its mean, since a rotated scale means nothing. A shape that still differs (a
        family with further sizes of its own, a wider feed-forward half) stays as the student drew
        it.
        """
        module, _, kind = name.rpartition(".")
        if module in self.norms:
            scale, shift = self.norms[module]
            fitted = scale if kind == "weight" else shift
            return like if fitted is None else fitted
        if module in self.linears:
            weight, bias = self.linears[module]
            source = weight if kind == "weight" else bias
        chosen = self._chosen(module, source.float())
        if chosen.shape == like.shape:
            return chosen
        if chosen.dim() != like.dim():
            return like
        if chosen.dim() == 1 and kind == "weight" and self.basis is not None:
            return chosen.mean().expand_as(like)
        return self._reshaped(chosen, like)

    def _chosen(self, module: str, source: Tensor) -> Tensor:
        """Keep the chosen entries of what a module makes."""
        found = part_of(self.family, module)
        if found is None:
            return source
        part, layer = found
        if part in ("query", "key", "value") and layer in self.heads:
            return self.heads[layer].of(part, source)
        if part in ("up", "head") and layer in self.neurons:
            return source[self.neurons[layer]]
        return source

    def _reshaped(self, source: Tensor, like: Tensor) -> Tensor:
        result = source
        for axis, (long, short) in enumerate(zip(source.shape, like.shape, strict=True)):
            if long == short:
                continue
            if self.basis is not None and (long, short) == tuple(self.basis.shape):
                result = torch.movedim(torch.movedim(result, axis, -1) @ self.basis, -1, axis)
            elif long > short:
                keep = torch.linspace(0, long - 1, short).round().long()
                result = result.index_select(axis, keep)
            else:
                return like
        return result


@torch.no_grad()
def fill(student: Model, teacher: Model, chosen: Sequence[int], reduction: Reduction) -> None:
    """Fill a student's parameters from its teacher's, in place.

    Args:
        student: of the shape that the reduction was made for.
        teacher: the one that was reduced.
        chosen: the teacher's layer for each of the student's.
        reduction: what is kept of every layer.

    Raises:
        KdcError: the two have no parameter in common, so that the student would stay random.
    """
    source, found = teacher.state_dict(), 0
    for name, target in student.named_parameters():
        place = layer_of(name, len(chosen))
        origin = place[0].format(chosen[place[1]]) if place else name
        if origin in source:
            target.copy_(reduction.cut(origin, source[origin].cpu(), target))
            found += 1
    if not found:
        raise KdcError(
            f"a {type(student).__name__} has no parameter in common with a "
            f"{type(teacher).__name__}: start from a teacher of its family, or from random weights"
        )


def reduce_teacher(teacher: Model, student: Model, rows: Examples, padding: int) -> Reduction:
    """Choose what a student keeps of its teacher, for every layer of the teacher.

    Args:
        teacher: a fine-tuned teacher.
        student: of the same family, no wider.
        rows: training rows in their tokens; some hundred of them are run twice.
        padding: the padding token's id.
    """
    ours, theirs = Sizes(student.config), Sizes(teacher.config)
    reduction = Reduction(teacher.config.model_type)
    alike = (ours.hidden, ours.heads, ours.ffn, ours.activation)
    if alike == (theirs.hidden, theirs.heads, theirs.ffn, theirs.activation):
        return reduction
    was_training = teacher.training
    teacher.eval()
    rows = some_rows(rows)
    activation: Callable[[Tensor], Tensor] = ACT2FN[ours.activation]
    states = measure(teacher, rows, padding, activation)
    if ours.hidden < theirs.hidden:
        reduction.basis = principal_directions(states.covariance, ours.hidden)
    _choose(reduction, states, teacher, ours, theirs)
    same = ours.activation == theirs.activation
    _refit(reduction, teacher, rows, padding, None if same else activation)
    teacher.train(was_training)
    return reduction


def _choose(
    reduction: Reduction, states: States, teacher: Model, ours: Sizes, theirs: Sizes
) -> None:
    """Choose heads, neurons and pooled numbers by what they add to what comes after them."""
    for layer, parts in layers_of(teacher).items():
        if layer in states.heads and (ours.hidden, ours.heads) != (theirs.hidden, theirs.heads):
            heads = choose_heads(states, layer, parts["mix"], ours, theirs)
            if heads is not None:
                reduction.heads[layer] = heads
        if layer in states.neurons and ours.ffn < theirs.ffn:
            reduction.neurons[layer] = _most(states.neurons[layer], parts["down"], ours.ffn)
        if layer in states.pooled and "head" in parts and ours.hidden < theirs.hidden:
            reduction.neurons[layer] = _most(states.pooled[layer], parts["answer"], ours.hidden)


def _most(sums: Tensor, after: nn.Linear, count: int) -> Tensor:
    """Return the entries whose mean size times the norm of their weights is largest, in order."""
    importance = sums * after.weight.detach().float().norm(dim=0).cpu()
    kept: Tensor = importance.argsort(descending=True, stable=True)[:count].sort().values
    return kept


def _refit(
    reduction: Reduction,
    teacher: Model,
    rows: Examples,
    padding: int,
    activation: Callable[[Tensor], Tensor] | None,
) -> None:
    """Fit norms, and linear layers that lost inputs or have them of another activation."""
    fits, before = _fits(reduction, teacher, anew=activation is not None)
    seen: dict[str, Tensor] = {}

    def look(name: str, x: Tensor, out: Tensor) -> None:
        if name in before and activation is not None:
            seen[before[name]] = activation(out)
        else:
            fits[name].count(seen.get(name, x), out)

    modules = dict(teacher.named_modules())
    with watched({name: modules[name] for name in (*fits, *before)}, look):
        for _ in pass_over(teacher, rows, padding):
            pass
    for name, fit in fits.items():
        if isinstance(fit, NormFit):
            reduction.norms[name] = fit.solve()
        else:
            reduction.linears[name] = fit.solve()


def _fits(
    reduction: Reduction, teacher: Model, *, anew: bool
) -> tuple[dict[str, LinearFit | NormFit], dict[str, str]]:
    """Return what is fitted, by the module's name, and which module goes before which `down`.

    Args:
        reduction: what is kept.
        teacher: whose modules.
        anew: whether the student has another activation, so that every `down` is fitted.
    """
    names = {id(module): name for name, module in teacher.named_modules()}
    fits: dict[str, LinearFit | NormFit] = {}
    before: dict[str, str] = {}
    for layer, parts in layers_of(teacher).items():
        for part, kept in _inputs_kept(reduction, layer, parts, anew=anew).items():
            fits[names[id(parts[part])]] = LinearFit(parts[part], kept)
        if anew and "down" in parts:
            before[names[id(parts["up"])]] = names[id(parts["down"])]
    if reduction.basis is not None:
        size = tuple(reduction.basis.shape[:1])
        for name, norm in teacher.named_modules():
            if isinstance(norm, nn.LayerNorm) and norm.normalized_shape == size:
                fits[name] = NormFit(norm, reduction.basis)
    return fits, before


def _inputs_kept(
    reduction: Reduction, layer: str, parts: Layer, *, anew: bool
) -> dict[str, Tensor]:
    """Return which inputs of `mix`, `down` and `answer` are kept, where they are not as before."""
    kept = {}
    if layer in reduction.heads:
        kept["mix"] = reduction.heads[layer].values
    if "down" in parts and (layer in reduction.neurons or anew):
        every = torch.arange(parts["down"].in_features)
        kept["down"] = reduction.neurons.get(layer, every)
    if "answer" in parts and "head" in parts and layer in reduction.neurons:
        kept["answer"] = reduction.neurons[layer]
    return kept
