"""A student's vocabulary, cut to what a phone needs.

Most of a small encoder's bytes are word embeddings, and a task uses a few thousand of them. The
words of the others still work: they are cut into shorter pieces, down to single characters.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from kdc.compress.arrays import Array
from kdc.compress.artifact import Student
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.files import read_json
from kdc.compress.kept_tokens import KEEP, choose_tokens, parse_vocab, special_ids
from kdc.compress.wordpiece import reduce_tokenizer
from kdc.export.tokenizer import load_tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that ship."""

    kept: Array
    """(K,) int64 ids of the student's, sorted; the new id of a token is its place here."""
    tokenizer: Tokenizer
    """The student's, of these tokens alone."""
    rows_before: int
    """V, the rows of the student's word embedding."""
    changed: float
    """Share of the dev rows' tokens that are not kept, so that their words are cut otherwise."""

    @property
    def rows(self) -> int:
        """K, the rows that are left."""
        return len(self.kept)

    def new_id(self, old: int) -> int | None:
        """Return the new id of a token, or None where it is not kept."""
        place = int(np.searchsorted(self.kept, old))
        return place if place < self.rows and self.kept[place] == old else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"rows": self.rows, "rows_before": self.rows_before, "changed": self.changed}


def reduce_vocabulary(student: Student, wanted: str) -> Vocabulary | None:
    """Choose what is kept of a student's vocabulary.

    Args:
        student: a student folder.
        wanted: `keep`, `task` or a number of tokens (see `choose_tokens`).

    Returns:
        None where every row is kept.

    Raises:
        KdcError: an unusable `wanted`, a tokenizer that is no WordPiece, a folder without
            `token_counts.npz`, or a padding token whose id would change.
    """
    choice = parse_vocab(wanted)
    if choice == KEEP:
        return None
    counts = student.token_counts()
    if counts is None:
        raise KdcError(
            f"{student.folder} has no token_counts.npz, for an older kdc made it: distil again, "
            "or use --vocab keep"
        )
    config, tokenizer = read_json(student.folder / "config.json"), load_tokenizer(student)
    kept = choose_tokens(tokenizer, counts, choice, special_ids(config).values())
    if len(kept) == len(counts):
        return None
    vocabulary = Vocabulary(
        kept=kept,
        tokenizer=reduce_tokenizer(tokenizer, kept),
        rows_before=len(counts),
        changed=float(np.isin(student.dev().tokens, kept, invert=True).mean()),
    )
    _check_padding(config.get("pad_token_id"), vocabulary)
    return vocabulary


def encode_again(tokenizer: Tokenizer, examples: Examples) -> Examples:
    """Tokenise rows anew; labels, texts and logits stay as they are.

    Args:
        tokenizer: one that cuts at the student's length and does not pad.
        examples: rows of `dev.npz` or `calibration.npz`.
    """
    rows = examples.texts
    if examples.pairs is not None:
        rows = list(zip(examples.texts, examples.pairs, strict=True))  # type: ignore[arg-type]
    encoded = tokenizer.encode_batch(rows)
    return replace(
        examples,
        tokens=np.concatenate([np.array(row.ids, dtype=np.int32) for row in encoded]),
        types=np.concatenate([np.array(row.type_ids, dtype=np.uint8) for row in encoded]),
        lengths=np.array([len(row) for row in encoded], dtype=np.int32),
    )


def _check_padding(padding: object, vocabulary: Vocabulary) -> None:
    """Some graphs carry the padding's id: they count positions from it, or mask it."""
    if isinstance(padding, int) and vocabulary.new_id(padding) != padding:
        raise KdcError(
            f"the padding token {padding} would get another id, which the model's graph does not "
            "follow: use --vocab keep"
        )
