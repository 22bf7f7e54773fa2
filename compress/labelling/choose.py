"""From a teacher's logits to what is written down of them: the likeliest tokens, draws, or all.

Every function takes the (m, V) logits of some places and returns arrays of one row a place; what
of a row is filler is left out when a shard is written.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kdc.compress.corpus.shards import token_type
from kdc.compress.errors import KdcError
from kdc.compress.labels.grid import code_type, step
from kdc.compress.labels.method import Method
from kdc.compress.labels.shard import size_type
from kdc.compress.runtime import places_at_once

BROKEN = "the teacher answers NaN or infinity on this corpus: it is broken, so name another"
Rows = dict[str, npt.NDArray[Any]]
Parts = dict[str, Tensor]


def chosen(logits: Tensor, method: Method, uniform: Tensor | None = None) -> Rows:
    """Return what a method keeps of (m, V) logits.

    Args:
        logits: on any device, of any precision.
        method: `topk`, `draws` or `full`.
        uniform: (m, N) float64 uniform numbers of `draws`, on the CPU.

    Returns:
        `codes` (m, k) and, but for `full`, `ids` (m, k) and `sizes` (m,); of `topk` `tail` (m,).

    Raises:
        KdcError: the teacher answers NaN or infinity.
    """
    parts = []
    count = places_at_once(logits.device)
    for start in range(0, max(1, len(logits)), count):
        some = slice(start, start + count)
        p = (logits[some].float() / method.temperature).softmax(-1)
        if not bool(p[:, 0].isfinite().all()):  # one that is not makes its whole row NaN
            raise KdcError(BROKEN)
        if p.device.type == "mps":  # it has no float64, in which tails and edges are summed
            p = p.cpu()
        if method.kind == "draws":
            assert uniform is not None
            parts.append(_draws(p, uniform[some].to(p.device)))
        else:
            parts.append(_likeliest(p, method) if method.kind == "topk" else _every(p, method))
    types: dict[str, Any] = {
        "sizes": size_type(method),
        "ids": token_type(logits.shape[1]),
        "codes": np.uint8 if method.kind == "draws" else code_type(method.bits),
    }
    types["tail"] = types["codes"]
    return {
        name: torch.cat([part[name] for part in parts]).cpu().numpy().astype(types[name])
        for name in parts[0]
    }


def _likeliest(p: Tensor, method: Method) -> Parts:
    """Keep the tokens of the largest probabilities, and the mass of all others."""
    values, ids = p.topk(min(method.count, p.shape[1]))
    codes = _codes(values, method)
    kept = (values >= method.least) & (codes < 2**method.bits - 1)
    tail = 1 - values.double().masked_fill(~kept, 0.0).sum(-1)
    if ids.shape[1] == p.shape[1]:  # every token is listed: what is left is rounding
        tail = tail.masked_fill(kept.all(-1), 0.0)
    return {
        "sizes": kept.sum(-1),  # values fall: what is kept are a row's first ones
        "ids": ids,
        "codes": codes,
        "tail": _codes(tail, method),
    }


def _every(p: Tensor, method: Method) -> Parts:
    return {"codes": _codes(p, method)}


def _codes(p: Tensor, method: Method) -> Tensor:
    """Round probabilities to the grid of `labels.grid`; the last code is 0."""
    nothing = 2**method.bits - 1
    found = (-p.clamp(min=1e-30).log() / step(method.bits, method.spread)).round()
    return found.clamp(min=0, max=nothing)


def _draws(p: Tensor, uniform: Tensor) -> Parts:
    """Draw tokens by the inverse of the distribution function, and count them."""
    edges = p.double().cumsum(-1)
    drawn = torch.searchsorted(edges, uniform * edges[:, -1:], right=True)
    drawn = drawn.clamp(max=p.shape[1] - 1).sort(-1).values
    first = torch.ones_like(drawn, dtype=torch.bool)
    first[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
    place = first.cumsum(-1) - 1  # which of the row's different tokens a draw is
    counts = torch.zeros_like(drawn).scatter_add_(1, place, torch.ones_like(drawn))
    ids = torch.zeros_like(drawn).scatter_(1, place, drawn)
    return {"sizes": first.sum(-1), "ids": ids, "codes": counts}
