"""What each family calls the matrices of a transformer layer."""

from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class Parts:
    """How the names of a layer's linear modules end."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mix: str = "attention.output.dense"
    """What joins the heads again."""
    up: str = "intermediate.dense"
    """Into the feed-forward half."""
    down: str = "output.dense"
    """And out of it."""


_BERT = Parts()
PARTS = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _BERT),
    "distilbert": Parts(
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        mix="attention.out_lin",
        up="ffn.lin1",
        down="ffn.lin2",
    ),
    "albert": Parts(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        mix="attention.dense",
        up="ffn",
        down="ffn_output",
    ),
    "mpnet": Parts("attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o"),
}
"""By `model_type`."""


def part_of(family: str, module: str) -> str | None:
    """Return which field of `Parts` a module is, by its name; None for any other.

    Args:
        family: the `model_type`.
        module: its full name in the model.
    """
    if family not in PARTS:
        return None
    names = zip(fields(Parts), astuple(PARTS[family]), strict=True)
    # BERT's mix ends like its down too, and stands before it
    return next((field.name for field, end in names if module.endswith(f".{end}")), None)
