"""Made-up signals: what two models of any sizes might say about three texts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kdc.compress.losses.objective import Objective, Widths
from kdc.compress.signals import HEADS, HIDDEN, LOGITS, SCORES, Signals
from kdc.compress.task import Task

LENGTHS = (7, 4, 2)
MASK = (torch.arange(7) < torch.tensor(LENGTHS)[:, None]).long()
CLASSES = Task("t", "classification", ("a", "b", "c", "d"), False, "accuracy")
TWO = Task("t", "classification", ("a", "b"), False, "accuracy")
ONE_CLASS = Task("t", "classification", ("a",), False, "accuracy")
SCORED = Task("t", "regression", (), False, "pearson")
GOLD = torch.tensor([2, 0, 1])


def said(
    seed: int,
    *,
    layers: int = 2,
    heads: int = 2,
    width: int = 8,
    classes: int = 4,
    wants: frozenset[str] = frozenset({LOGITS, HIDDEN, HEADS, SCORES}),
) -> Signals:
    """Say something; every tensor asks for a gradient."""
    rng = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng).requires_grad_()

    def heads_of(wanted: bool) -> tuple[Tensor, ...]:
        every = tuple(draw(3, 7, heads, width // heads) for _ in range(layers))
        return every if wanted else ()

    logits, states = draw(3, classes), tuple(draw(3, 7, width) for _ in range(layers + 1))
    attended = bool(wants & {HEADS, SCORES})
    return Signals(
        logits=logits if LOGITS in wants else torch.empty(0, 0),
        hidden=states if HIDDEN in wants else (),
        mask=MASK,
        queries=heads_of(attended),
        keys=heads_of(attended),
        values=heads_of(HEADS in wants),
    )


def changed(
    signals: Signals, change: Callable[[Tensor], Tensor], mask: Tensor | None = None
) -> Signals:
    """Apply `change` to every tensor that has a place for each token."""
    return replace(
        signals,
        hidden=tuple(map(change, signals.hidden)),
        queries=tuple(map(change, signals.queries)),
        keys=tuple(map(change, signals.keys)),
        values=tuple(map(change, signals.values)),
        mask=signals.mask if mask is None else mask,
    )


def spoilt(signals: Signals) -> Signals:
    """Put nonsense where there is padding."""

    def spoil(tensor: Tensor) -> Tensor:
        real = signals.mask.reshape(*signals.mask.shape, *[1] * (tensor.dim() - 2)).bool()
        return torch.where(real, tensor, 1e4)

    return changed(signals, spoil)


def longer(signals: Signals, more: int = 3) -> Signals:
    """Pad every text by further places, with nonsense in them."""

    def pad(tensor: Tensor) -> Tensor:
        return torch.cat([tensor, 50 * torch.ones_like(tensor[:, :more])], dim=1)

    mask = torch.cat([signals.mask, torch.zeros_like(signals.mask[:, :more])], dim=1)
    return changed(signals, pad, mask)


def fitted(loss: Objective, student: Signals, teacher: Signals, task: Task = CLASSES) -> Objective:
    """Fit an objective to the sizes of two models' signals."""
    torch.manual_seed(0)
    sizes = [
        (len(x.queries), x.hidden[0].shape[-1], x.queries[0].shape[2]) for x in (student, teacher)
    ]
    (ours, narrow, few), (theirs, wide, many) = sizes
    widths = Widths(task, ours, narrow, theirs, wide, student_heads=few, teacher_heads=many)
    loss.fit(widths)
    return loss


def numbers(tensor: Tensor) -> Any:  # noqa: ANN401 - a numpy array
    """Return float64 numbers without gradients."""
    return tensor.detach().double().numpy()
