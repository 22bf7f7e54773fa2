"""Which attention heads a student keeps, where it has fewer, larger or smaller ones."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdc.compress.families import Sizes
from kdc.compress.teacher_states import States


@dataclass(frozen=True)
class Heads:
    """Entries of a teacher's concatenated heads, in the order of the student's."""

    scores: Tensor
    """(W,) entries of queries and keys."""
    values: Tensor
    """(W,) entries of values."""
    factor: float
    """Of the queries: the student divides its scores by the root of another size of head."""

    def of(self, part: str, source: Tensor) -> Tensor:
        """Return what is kept of a query's, key's or value's weight or bias."""
        if part == "value":
            return source[self.values]
        return source[self.scores] * (self.factor if part == "query" else 1.0)


def choose_heads(
    states: States, layer: str, mix: nn.Linear, ours: Sizes, theirs: Sizes
) -> Heads | None:
    """Choose the heads that add most to the hidden states.

    A student's head that is as large as several of the teacher's takes those of them whose scores
    are most alike, and the mean of their scores; one that is smaller takes the dimensions of its
    teacher's head that have the largest share in its scores, and in what it adds.

    Args:
        states: what the teacher's heads do.
        layer: which layer.
        mix: what joins its heads.
        ours: the student's sizes.
        theirs: the teacher's.

    Returns:
        None where no choice fits: the student has more heads, or sizes that do not divide.
    """
    size, wanted = theirs.hidden // theirs.heads, ours.hidden // ours.heads
    together = max(1, wanted // size)
    if ours.heads * together > theirs.heads or (wanted > size and wanted % size):
        return None
    order = states.heads[layer].argsort(descending=True, stable=True)
    best = order[: ours.heads * together].tolist()
    if wanted < size:
        shares = states.values[layer] * mix.weight.detach().float().norm(dim=0).cpu()
        scores = _largest(states.queries[layer], sorted(best), size, wanted)
        return Heads(scores, _largest(shares, sorted(best), size, wanted), math.sqrt(wanted / size))
    groups = _groups(states.alike[layer], best, together)
    kept = torch.tensor(groups).flatten()[:, None] * size + torch.arange(size)
    # q.k over joined heads is the sum of theirs, divided by a root that is larger
    return Heads(kept.flatten(), kept.flatten(), 1 / math.sqrt(together))


def _groups(alike: Tensor, heads: list[int], size: int) -> list[list[int]]:
    """Put heads into groups of those most alike, the most important of those left first."""
    if size == 1:
        return [[head] for head in sorted(heads)]
    norms = alike.diagonal().clamp(min=1e-12).sqrt()
    cosines, left, groups = alike / norms[:, None] / norms, list(heads), []
    while left:
        group = [left.pop(0)]
        while len(group) < size:
            nearest = max(left, key=lambda head: float(cosines[head, group].sum()))
            left.remove(nearest)
            group.append(nearest)
        groups.append(group)
    return groups


def _largest(shares: Tensor, heads: list[int], size: int, count: int) -> Tensor:
    """Return the entries with the largest shares, `count` of every head of `size`, in order."""
    own = shares.view(-1, size)[heads]
    kept = own.argsort(dim=1, descending=True, stable=True)[:, :count].sort(dim=1).values
    return (kept + torch.tensor(heads)[:, None] * size).flatten()
