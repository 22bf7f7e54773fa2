"""A layer's attention, forward and backward: PyTorch's fused kernel against the one written out.

    python benchmarks/attention.py --record

Says when `runtime.plain_attention` is right. Both compute the attention of transformers, without
dropout, on 8,192 tokens a batch or 32 texts of a task; they take turns in one process, on one
thread, and the fused one stands once more beside itself as the control. CPU time.
"""

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from paired import take_turns
from record import record
from torch import Tensor

from kdc.export.statistics import ratio

CASES = [
    (32, 13, 12, 32), (32, 13, 4, 64), (128, 64, 2, 64), (64, 128, 12, 26), (64, 128, 12, 32),
    (64, 128, 4, 64), (32, 256, 4, 64), (16, 512, 4, 64),
]  # fmt: skip
"""Texts, tokens, heads, their size."""


def main() -> None:
    """Measure every case in bf16 and in fp32, and print or record the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--record", action="store_true", help="write the table into RESULTS.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        "| texts x tokens | heads x size | precision | fused, ms | written out, ms | gain | A/A |",
        "|---" * 7 + "|",
    ]
    for precision in (torch.bfloat16, torch.float32):
        for case in CASES:
            lines.append(measure(case, precision, options.rounds))
            print(lines[-1], flush=True)
    lines += ["", f"Medians of {options.rounds} rounds, forward and backward, ratios with 95 %."]
    if options.record:
        record("Attention in training on the CPU", lines)
    else:
        print("\n".join(lines))


def measure(case: tuple[int, int, int, int], precision: torch.dtype, rounds: int) -> str:
    """Return a row of the table."""
    texts, tokens, heads, size = case
    shape = (texts, tokens, heads, size)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(shape, generator=generator).to(precision) for _ in range(4)]
    q, k, v, gradient = (part.transpose(1, 2) for part in parts)
    found = take_turns(
        [_side(attention, q, k, v, gradient) for attention in (fused, written_out, fused)],
        rounds,
        seed=0,
        warm_up=2,
        settle=0,
    ).cpu_ms
    gain = ratio([found[:, 0]], [found[:, 1]], seed=0)
    control = ratio([found[:, 0]], [found[:, 2]], seed=0)
    medians = " | ".join(f"{column:.1f}" for column in torch.tensor(found[:, :2]).median(0).values)
    name = str(precision).removeprefix("torch.")
    return f"| {texts} x {tokens} | {heads} x {size} | {name} | {medians} | {gain} | {control} |"


def _side(
    attention: Callable[[Tensor, Tensor, Tensor], Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gradient: Tensor,
) -> Callable[[int], None]:
    inputs = [part.detach().requires_grad_() for part in (q, k, v)]

    def run(number: int) -> None:
        torch.autograd.grad(attention(*inputs), inputs, gradient)

    return run


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend as `sdpa` does in transformers; (B, A, T, d) each."""
    return F.scaled_dot_product_attention(q, k, v)


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend as `eager` does in transformers; (B, A, T, d) each."""
    scores = torch.matmul(q, k.transpose(2, 3)) * q.shape[-1] ** -0.5
    return torch.matmul(scores.softmax(-1), v)


if __name__ == "__main__":
    main()
