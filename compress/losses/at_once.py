"""A loss whose gradient is taken at once, some rows at a time."""

from collections.abc import Callable
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

Loss = Callable[..., Tensor]


class _AtOnce(torch.autograd.Function):
    """The sum of a loss over the rows, of which only the gradient is kept.

    What lies between the logits of a vocabulary and the loss is several times as large as they
    are, and in fp32. Kept for the backward pass it fills the memory, and computed anew there
    (`torch.utils.checkpoint`) it costs a second softmax over the vocabulary.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        loss: Loss,
        rows: int,
        student: Tensor,
        *given: Tensor,
    ) -> Tensor:
        """Return the sum, a scalar in fp32 or wider; the arguments are those of `at_once`."""
        wanted = ctx.needs_input_grad[2]
        kept = torch.empty_like(student) if wanted else student.new_empty(0)
        precise = torch.promote_types(student.dtype, torch.float32)
        total = torch.zeros((), dtype=precise, device=student.device)
        parts = zip(*(torch.split(part, rows) for part in (student, *given)), strict=True)
        gradients = torch.split(kept, rows) if wanted else repeat(kept)
        for part, gradient in zip(parts, gradients, strict=False):
            ours = part[0].detach().requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                value = loss(ours, *part[1:])
            total += value.detach()
            if wanted:
                gradient.copy_(torch.autograd.grad(value, ours)[0])
        ctx.save_for_backward(kept)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradient of the student's rows."""
        (kept,) = ctx.saved_tensors
        others = [None] * (len(ctx.needs_input_grad) - 3)
        return None, None, kept * gradient.to(kept.dtype), *others


def at_once(loss: Loss, rows: int, student: Tensor, *given: Tensor) -> Tensor:
    """Return the sum of a loss over rows, a scalar; its gradient goes to `student` alone.

    Args:
        loss: takes (m, ...) rows of `student` and of `given`, and returns a scalar sum.
        rows: how many of them are in fp32 at a time.
        student: (M, ...) rows; its gradient is kept in its own precision.
        given: further tensors of M rows each.
    """
    found: Tensor = _AtOnce.apply(loss, rows, student, *given)  # type: ignore[no-untyped-call]
    return found
