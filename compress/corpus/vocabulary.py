"""What a tokenizer's vocabulary means for a corpus: words, special tokens and their places."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError

MARK = "\ufdd0"
"""Stands between sentences while they are tokenised; Unicode keeps it out of every text."""
_STARTS = {"ByteLevel": "Ġ", "Metaspace": "▁"}  # what a token that begins a word starts with


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer's tokens."""

    tokenizer: str
    """The Rust tokenizer as JSON, without truncation and padding."""
    special_ids: tuple[int, ...]
    mask_id: int

    @cached_property
    def plain(self) -> Tokenizer:
        """The tokenizer as it is."""
        return Tokenizer.from_str(self.tokenizer)

    @cached_property
    def marking(self) -> Tokenizer:
        """The tokenizer with one more token, `MARK`, and special tokens in texts read as text."""
        found = Tokenizer.from_str(self.tokenizer)
        found.encode_special_tokens = True
        # a new token's id is the number of tokens: in a vocabulary with holes it is another's, so
        # as many tokens as there are holes go before, which no text holds since no text has marks
        holes = self.size - len(set(self._ids.values()))
        names = [*(f"{MARK}{MARK}{number}" for number in range(holes)), MARK]
        found.add_tokens([AddedToken(name, normalized=False) for name in names])
        return found

    @cached_property
    def size(self) -> int:
        """The highest id and one."""
        return max(self._ids.values()) + 1

    @cached_property
    def mark(self) -> int:
        """The id of `MARK`, which no other token has."""
        found = self.marking.token_to_id(MARK)
        assert found is not None
        return found

    @cached_property
    def special(self) -> Array:
        """(V,) bool: which tokens are special ones, or none at all."""
        table = np.ones(self.size, dtype=bool)
        table[list(self._ids.values())] = False
        table[list(self.special_ids)] = True
        return table

    def word_starts(self, masking: str) -> Array:
        """Return (V,) bool: which tokens begin a new unit that is masked as one.

        Raises:
            KdcError: the tokenizer does not show where words begin.
        """
        table = np.zeros(self.size, dtype=bool)
        for token, number in self._ids.items():
            table[number] = masking == "token" or self._begins(token)
        return table

    @cached_property
    def around(self) -> tuple[list[int], list[int], list[int]]:
        """The special tokens before the first segment, before a second one, and at the end.

        Raises:
            KdcError: the tokenizer adds none, so that no sequence would have an end.
        """
        row = self.plain.encode("a", "a")
        owners = row.sequence_ids
        inside = [place for place, owner in enumerate(owners) if owner is not None]
        first = [place for place in inside if owners[place] == 0]
        second = [place for place in inside if owners[place] == 1]
        if not first or not second or inside[-1] + 1 == len(owners) or not first[0]:
            raise KdcError(
                "the teacher's tokenizer adds no special tokens around texts and pairs: its "
                "tokenizer.json lacks the post-processor that does"
            )
        return row.ids[: first[0]], row.ids[first[-1] + 1 : second[0]], row.ids[second[-1] + 1 :]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return self.plain.get_vocab(with_added_tokens=True)

    @cached_property
    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.tokenizer)
        return fields

    def _begins(self, token: str) -> bool:
        if self._fields["model"]["type"] == "WordPiece":
            return not token.startswith(self._fields["model"]["continuing_subword_prefix"])
        return token.startswith(self._word_mark)

    @cached_property
    def _word_mark(self) -> str:
        """What a token that begins a word starts with, where it is no WordPiece tokenizer."""
        text = json.dumps(self._fields["pre_tokenizer"])
        for kind, mark in _STARTS.items():
            if f'"{kind}"' in text:
                return mark
        raise KdcError(
            f"a {self._fields['model']['type']} tokenizer of this kind does not tell where words "
            "begin: use --masking token"
        )
