"""A student of fewer words than its teacher: its rows in its own tokens, its table cut to them.

Words whose tokens are gone are cut into shorter pieces. A student that is trained on these pieces
learns what they mean; one that only meets them on the phone has to guess.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel as Model

from kdc.compress.arrays import Array
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.encode import encode, plain_tokenizer
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.kept_tokens import KEEP, choose_tokens, parse_vocab, special_ids
from kdc.compress.progress import Progress
from kdc.compress.rows import Rows
from kdc.compress.wordpiece import reduce_tokenizer


@dataclass(frozen=True)
class FewerWords:
    """What is left of a teacher's vocabulary."""

    rows: Rows
    """The data in the tokens that are left."""
    kept: Array
    """(K,) int64 ids of the teacher's, sorted; the new id of a token is its place here."""


def fewer_words(
    rows: Rows, data: Dataset, config: Mapping[str, Any], wanted: str, progress: Progress
) -> FewerWords | None:
    """Choose a student's vocabulary and put its rows into it.

    Args:
        rows: the data in the teacher's tokens.
        data: the texts.
        config: the teacher's configuration, which names special tokens.
        wanted: `keep`, `task` or a number of tokens (see `choose_tokens`).
        progress: shows how far it is.

    Returns:
        None where every token is kept.

    Raises:
        KdcError: an unusable `wanted`, or a tokenizer whose vocabulary cannot be cut.
    """
    choice = parse_vocab(wanted)
    if choice == KEEP:
        return None
    counts = np.bincount(rows.train.tokens, minlength=int(config["vocab_size"]))
    kept = choose_tokens(rows.plain, counts, choice, special_ids(config).values())
    tokenizer = deepcopy(rows.tokenizer)
    # transformers' object reads ids and tokens from the Rust one in it, and saves that one
    tokenizer._tokenizer = reduce_tokenizer(rows.tokenizer.backend_tokenizer, kept)
    if tokenizer.pad_token_id != rows.padding:
        raise KdcError(
            f"the padding token {rows.padding} would get another id, which some models count "
            "positions from: use --vocab keep"
        )
    plain = plain_tokenizer(tokenizer, rows.max_length)
    progress.say(f"vocabulary: {len(counts):,} tokens cut to {len(kept):,}")

    def again(split: Split, what: str) -> Examples:
        return encode(plain, split, progress, f"{what} in the student's tokens")

    cut = replace(
        rows,
        tokenizer=tokenizer,
        plain=plain,
        train=again(data.train, "train"),
        dev=again(data.dev, "dev"),
        test=again(data.test, "test") if data.test else None,
    )
    return FewerWords(cut, kept)


def cut_embedding(student: Model, kept: Array) -> None:
    """Keep the rows `kept` (K,) of a model's (V, E) token embedding, in place."""
    full = student.get_input_embeddings()
    assert isinstance(full, nn.Embedding)
    table = nn.Embedding(len(kept), full.embedding_dim, padding_idx=full.padding_idx)
    with torch.no_grad():
        table.weight.copy_(full.weight[torch.from_numpy(kept)])
    student.set_input_embeddings(table)
    places = {old: new for new, old in enumerate(kept.tolist())}
    for name, old in special_ids(student.config.to_dict()).items():
        setattr(student.config, name, places.get(old))
    student.config.vocab_size = len(kept)
