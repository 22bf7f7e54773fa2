"""The objectives: one file each, one table of names."""

from kdc.compress.losses.attention import Attention
from kdc.compress.losses.cosine import Cosine
from kdc.compress.losses.decoupled import Decoupled
from kdc.compress.losses.dist import Dist
from kdc.compress.losses.embeddings import Embeddings
from kdc.compress.losses.hard_labels import HardLabels
from kdc.compress.losses.hidden_states import HiddenStates
from kdc.compress.losses.masked_lm import MaskedLm
from kdc.compress.losses.mse_logits import MseLogits
from kdc.compress.losses.objective import Objective
from kdc.compress.losses.patient import Patient
from kdc.compress.losses.pooled import Pooled
from kdc.compress.losses.relations import Relations
from kdc.compress.losses.soft_labels import SoftLabels

LOSSES: dict[str, type[Objective]] = {
    # the answers
    "soft_labels": SoftLabels,
    "mse_logits": MseLogits,
    "decoupled": Decoupled,
    "dist": Dist,
    "hard_labels": HardLabels,
    "masked_lm": MaskedLm,
    # what lies below them
    "embeddings": Embeddings,
    "hidden_states": HiddenStates,
    "attention": Attention,
    "relations": Relations,
    "cosine": Cosine,
    "patient": Patient,
    "pooled": Pooled,
}


def describe_losses() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table of objectives as columns and rows of text."""
    rows: list[tuple[str, ...]] = [
        (name, ", ".join(sorted(loss.needs)) or "nothing", loss.about, loss.source)
        for name, loss in LOSSES.items()
    ]
    return ("loss", "asks the teacher for", "what it is", "source"), rows
