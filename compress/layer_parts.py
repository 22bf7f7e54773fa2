"""What each family calls the matrices of a transformer layer, and those of its head."""

from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class Parts:
    """How the names of linear modules end."""

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mix: str = "attention.output.dense"
    """What joins the heads again."""
    up: str = "intermediate.dense"
    """Into the feed-forward half."""
    down: str = "output.dense"
    """And out of it."""
    head: str = "classifier.dense"
    """From the first token's state to what is classified."""
    answer: str = "classifier.out_proj"
    """To the logits."""


PARTS = {
    "bert": Parts(head="pooler.dense", answer="classifier"),
    **dict.fromkeys(("roberta", "xlm-roberta", "camembert", "electra"), Parts()),
    "distilbert": Parts(
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        mix="attention.out_lin",
        up="ffn.lin1",
        down="ffn.lin2",
        head="pre_classifier",
        answer="classifier",
    ),
    "albert": Parts(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        mix="attention.dense",
        up="ffn",
        down="ffn_output",
        head="pooler",
        answer="classifier",
    ),
    "mpnet": Parts("attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o"),
}
"""By `model_type`."""


def part_of(family: str, module: str) -> tuple[str, str] | None:
    """Return which field of `Parts` a module is, and the name of its layer; of the head it is "".

    Args:
        family: the `model_type`.
        module: its full name in the model.

    Returns:
        None for any other module.
    """
    if family not in PARTS:
        return None
    full = f".{module}"
    # BERT's mix ends like its down too, and stands before it
    for field, end in zip(fields(Parts), astuple(PARTS[family]), strict=True):
        if full.endswith(f".{end}"):
            # BERT's pooler lies in the encoder and its classifier beside it: they are one head
            of_head = field.name in ("head", "answer")
            return field.name, "" if of_head else full[1 : -len(end)].removesuffix(".")
    return None
