"""The divergence of two models' relations, and its gradient, a few texts at a time."""

import math
from typing import Any

import torch
from torch import Tensor

_AT_ONCE = {"cpu": 1 << 20, "mps": 1 << 24, "cuda": 1 << 27}
"""Numbers of a (b, R, T, T) matrix: what a processor's cache, or a corner of a GPU, holds."""
Pair = tuple[Tensor, Tensor]


class _RelationKL(torch.autograd.Function):
    """KL(teacher || student) of softmax(X Y^T / sqrt(r)), mean over texts, heads and real tokens.

    Written out, both models' matrices of (B, R, T, T) and all that lies between them and the loss
    are kept for the gradient: gigabytes for texts of 512 tokens. The gradient of a KL is the
    difference of the two softmaxes, so that it is taken right away and the matrices are forgotten,
    text by text; what is kept is as large as the queries and keys. Gradients go to the student
    alone, and are themselves not differentiable.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        one: Tensor,
        other: Tensor,
        teacher_one: Tensor,
        teacher_other: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Return the loss, a scalar.

        Args:
            ctx: where the gradients are kept.
            one: X of the student, (B, R, T, r).
            other: its Y.
            teacher_one: X of the teacher, (B, R, T, r').
            teacher_other: its Y.
            mask: (B, T), 1 where there is a token.
        """
        texts, heads, length, width = one.shape
        share = (mask / (mask.sum(1, keepdim=True) * texts * heads)).to(one.dtype)
        kept = [torch.empty_like(one), torch.empty_like(other)] if any(ctx.needs_input_grad) else []
        total = torch.zeros((), dtype=one.dtype, device=one.device)
        size = max(1, _AT_ONCE[one.device.type] // (heads * length * length))
        for start in range(0, texts, size):
            part = slice(start, start + size)
            padding, weight = mask[part, None, None, :] == 0, share[part, None, :, None]
            theirs = _relation(teacher_one[part], teacher_other[part], padding)
            ours = _relation(one[part], other[part], padding)
            wanted = theirs.exp()
            total += (theirs.sub_(ours).mul_(wanted) * weight).sum()
            if kept:
                gap = ours.exp_().sub_(wanted).mul_(weight / math.sqrt(width))
                torch.matmul(gap, other[part], out=kept[0][part])
                torch.matmul(gap.transpose(-1, -2), one[part], out=kept[1][part])
        ctx.save_for_backward(*kept)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradients of X and Y of the student."""
        one, other = ctx.saved_tensors
        return one * gradient, other * gradient, None, None, None


def relation_kl(ours: Pair, theirs: Pair, mask: Tensor) -> Tensor:
    """Return KL(teacher || student) of two relations, a scalar.

    Args:
        ours: X and Y of the student, (B, R, T, r).
        theirs: X and Y of the teacher, (B, R, T, r').
        mask: (B, T), 1 where there is a token.
    """
    found: Tensor = _RelationKL.apply(*ours, *theirs, mask)  # type: ignore[no-untyped-call]
    return found


def _relation(one: Tensor, other: Tensor, padding: Tensor) -> Tensor:
    """Return (b, R, T, T) log softmax over the real tokens."""
    scores = one / math.sqrt(one.shape[-1]) @ other.transpose(-1, -2)
    # no infinity: padding then has the probability 0 on both sides, and 0 between them
    scores.masked_fill_(padding, torch.finfo(scores.dtype).min)
    return scores.sub_(scores.logsumexp(-1, keepdim=True))
