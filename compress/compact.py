"""Training only the embedding rows that occur.

A task uses a few thousand of a vocabulary's 30,522 rows. The others get no gradient, and AdamW
without decay leaves such rows as they are, so holding only the rows that occur trains exactly the
same model, with a fraction of the optimizer's memory traffic and of a checkpoint's bytes.
"""

from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel as Model


@runtime_checkable
class Held(Protocol):
    """What stands in for a token embedding while it is trained."""

    def expand(self) -> nn.Embedding:
        """Return the full embedding with what was learnt."""


class CompactEmbedding(nn.Module):
    """Looks token ids up in a table that holds only some of an embedding's rows."""

    def __init__(self, full: nn.Embedding, used: Tensor) -> None:
        """Keep the rows `used` (K,) of a (V, H) embedding; other ids must not be looked up."""
        super().__init__()
        self._full = [full]  # in a list, so that it is no sub-module and never trained
        self._padding = -1
        slots = torch.full((full.num_embeddings,), -1, dtype=torch.long)
        slots[used] = torch.arange(len(used))
        self.register_buffer("slots", slots, persistent=False)
        self.register_buffer("used", used, persistent=False)
        self.weight = nn.Parameter(full.weight.detach()[used].clone())
        if full.padding_idx is not None:
            self._padding = int(slots[full.padding_idx])

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids of any shape (...); returns (..., H)."""
        slots = self.get_buffer("slots")[ids]
        padding = self._padding if self._padding >= 0 else None
        return F.embedding(slots, self.weight, padding)

    def expand(self) -> nn.Embedding:
        """Return the full embedding with the trained rows in their places."""
        full = self._full[0].to(self.weight.device)
        with torch.no_grad():
            full.weight[self.get_buffer("used")] = self.weight
        return full


def compact(model: Model, used: Tensor) -> None:
    """Replace a model's token embedding by one that holds only the rows `used`, in place."""
    full = model.get_input_embeddings()
    if isinstance(full, nn.Embedding) and type(full) is nn.Embedding:
        model.set_input_embeddings(CompactEmbedding(full, used))


def expand(model: Model) -> None:
    """Give a model its whole token embedding back, in place."""
    held = model.get_input_embeddings()
    if isinstance(held, Held):
        model.set_input_embeddings(held.expand())
