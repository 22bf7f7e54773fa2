"""Training a factorised token embedding: a row is R numbers wide, and one matrix widens them all.

Most of a small encoder's parameters are in its (V, H) token embedding. As the product of (V, R)
and (R, H) it is stored in V * R + R * H numbers (Lan et al. 2020, ALBERT, arXiv 1909.11942; from a
trained table by SVD, Acharya et al. 2019, arXiv 1811.00641).
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel as Model

from kdc.compress.compact import CompactEmbedding, compact
from kdc.compress.directions import principal_directions
from kdc.compress.errors import KdcError


class LowRankEmbedding(nn.Module):
    """A token embedding of rank R; of its rows, only those that occur are trained."""

    def __init__(self, full: nn.Embedding, used: Tensor, rank: int, counts: Tensor) -> None:
        """Start from the matrix of rank R that is nearest to `full` (Eckart-Young).

        Near is meant over the tokens of the training text: a row weighs as often as it occurs,
        and once more, so that words that do not occur count a little.

        Args:
            full: the (V, H) embedding.
            used: (K,) the rows that are trained; the others keep their R numbers, and follow the
                matrix that is learnt.
            rank: R.
            counts: (V,) how often each row occurs.
        """
        super().__init__()
        self._full = [full]  # in a list, so that it is no sub-module and never trained
        table = full.weight.detach()
        weights = (counts.double() + 1).sqrt()
        rows = weights[:, None] * table
        directions = principal_directions(rows.T @ rows, rank)
        narrow = nn.Embedding(len(table), rank, padding_idx=full.padding_idx)
        with torch.no_grad():
            narrow.weight.copy_(table @ directions)
        self.narrow = CompactEmbedding(narrow, used)
        self.widen = nn.Parameter(directions.T.contiguous())

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids of any shape (...); returns (..., H)."""
        found: Tensor = self.narrow(ids) @ self.widen
        return found

    def expand(self) -> nn.Embedding:
        """Return the full embedding: (V, H), of rank R to the rounding of its numbers."""
        full, narrow = self._full[0].cpu(), self.narrow.expand().cpu()
        with torch.no_grad():
            full.weight.copy_(narrow.weight.double() @ self.widen.cpu().double())
        return full.to(self.widen.device)


def hold(model: Model, used: Tensor, rank: int | None, tokens: Tensor) -> None:
    """Let a model train only the embedding rows that occur, in place.

    Args:
        model: any encoder.
        used: (K,) the token ids that may be looked up, sorted.
        rank: R of a factorised embedding (see `check_rank`); None for a plain one.
        tokens: (N,) the ids of the training rows, one after the other.

    Raises:
        KdcError: the embedding or the rank cannot be used.
    """
    if rank is None:
        compact(model, used)
        return
    check_rank(model, rank)
    full = model.get_input_embeddings()
    counts = torch.bincount(tokens.long(), minlength=full.num_embeddings)
    model.set_input_embeddings(LowRankEmbedding(full, used, rank, counts))


def check_rank(model: Model, rank: int, rows: int | None = None) -> None:
    """Refuse a rank that saves nothing, and an embedding that is no plain table.

    Args:
        model: any encoder.
        rank: R of a factorised embedding.
        rows: to which its table will be cut, at most; None where it stays whole.

    Raises:
        KdcError: the rank is below 1, or its factors would be no smaller than the embedding, or
            the family scales or otherwise changes what it looks up.
    """
    full = model.get_input_embeddings()
    if type(full) is not nn.Embedding:
        raise KdcError(
            f"the family {model.config.model_type} looks tokens up in a {type(full).__name__}, "
            "which cannot be factorised: leave --embedding-rank out"
        )
    rows, width = min(rows or full.num_embeddings, full.num_embeddings), full.embedding_dim
    most = (rows * width - 1) // (rows + width)
    if not 1 <= rank <= most:
        raise KdcError(
            f"--embedding-rank must be from 1 to {most} to save anything of an embedding of "
            f"{rows:,} x {width}, not {rank}"
        )
