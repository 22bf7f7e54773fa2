"""Tiny encoders of the families that people bring: random weights, real classes."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, BertModel

from tests.tiny import POSITIONS, VOCABULARY, own_rng

attention_changes = pytest.mark.skipif(
    not BertModel._can_set_attn_implementation(), reason="transformers 4.57 builds attention in"
)
_MARKS = {"cls_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "bos_token_id": 2}
# what a family calls its sizes, where it does not use BERT's names, and sizes of its own
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"pad_token_id": 1},
    "xlm-roberta": {"pad_token_id": 1},
    "electra": {"embedding_size": 32},
    "distilbert": {"dim": 32, "n_layers": 4, "n_heads": 2, "hidden_dim": 64},
    "albert": {"embedding_size": 16},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16},
    "mpnet": {"pad_token_id": 1},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {"hidden_activation": "gelu", "local_attention": 8, **_MARKS},
}


def family_config(family: str, outputs: int = 3) -> Any:  # noqa: ANN401
    """Return a configuration of 4 layers, width 32, 2 heads and FFN 64."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    sizes["intermediate_size"] = 64
    shared: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": POSITIONS}
    shared |= {"pad_token_id": 0, "num_labels": outputs, "initializer_range": 0.1}
    own = FAMILIES[family]
    return AutoConfig.for_model(family, **({} if "dim" in own else sizes), **{**shared, **own})


def family_model(family: str, outputs: int = 3) -> Any:  # noqa: ANN401
    """Return a classifier in evaluation mode."""
    with own_rng(0):
        return AutoModelForSequenceClassification.from_config(family_config(family, outputs)).eval()


def some_ids(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    """Return (rows, length) token ids, none of them special."""
    return torch.randint(
        5, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed)
    )
