"""A WordPiece tokenizer as `tokenizer.json` describes it, and the same one of fewer tokens."""

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError

WORDPIECE = "WordPiece"


class WordPiece:
    """What matters of a WordPiece tokenizer (Wu et al. 2016, arXiv 1609.08144) to its size."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Read a tokenizer.

        Raises:
            KdcError: it is of another kind, whose tokens need each other.
        """
        self.fields: dict[str, Any] = json.loads(tokenizer.to_str())
        model = self.fields["model"]
        if model["type"] != WORDPIECE:
            raise KdcError(
                f"the vocabulary of a {model['type']} tokenizer cannot be cut, only {WORDPIECE}'s: "
                "use --vocab keep"
            )
        self.vocabulary: dict[str, int] = model["vocab"]
        """Token -> id, in no order."""
        self.prefix = str(model["continuing_subword_prefix"])
        """What marks a piece inside a word: ##."""
        self.unknown = str(model["unk_token"])
        """The token of a word that no pieces make up."""

    @property
    def added(self) -> list[dict[str, Any]]:
        """The tokens that are found before the text is split into words: [CLS], [MASK], ..."""
        found: list[dict[str, Any]] = self.fields["added_tokens"]
        return found

    def ids(self) -> dict[str, int]:
        """Return token -> id, added tokens included."""
        return {**self.vocabulary, **{token["content"]: token["id"] for token in self.added}}

    def basic(self) -> set[int]:
        """Return the ids without which texts cannot be written at all.

        Those are the added tokens, what is added to every text, the unknown token, and every
        single character that the vocabulary has, at the start of a word and inside one.
        """
        characters = {
            index
            for token, index in self.vocabulary.items()
            if len(token) == 1 or (token[:-1] == self.prefix) or token == self.unknown
        }
        around = _special_ids(self.fields["post_processor"] or {})
        return characters | around | {token["id"] for token in self.added}


def reduce_tokenizer(tokenizer: Tokenizer, kept: Array) -> Tokenizer:
    """Return a tokenizer that has only some tokens; everything else of it stays as it was.

    Words are cut by greedy longest match, so a word whose tokens are all kept is cut as before.

    Args:
        tokenizer: a WordPiece tokenizer.
        kept: (K,) ids, sorted; the new id of a token is its place among them.

    Raises:
        KdcError: it is no WordPiece tokenizer, or needs a token that is not kept.
    """
    source = WordPiece(tokenizer)
    new = {old: index for index, old in enumerate(kept.tolist())}
    fields, model = source.fields, source.fields["model"]
    vocabulary = {token: new[old] for token, old in source.vocabulary.items() if old in new}
    model["vocab"] = dict(sorted(vocabulary.items(), key=lambda entry: entry[1]))
    fields["added_tokens"] = [
        {**token, "id": new[token["id"]]} for token in source.added if token["id"] in new
    ]
    if fields["padding"] is not None:
        fields["padding"]["pad_id"] = _new_id(new, fields["padding"]["pad_id"])
    if fields["post_processor"] is not None:
        fields["post_processor"] = _renumbered(fields["post_processor"], new)
    try:
        return Tokenizer.from_str(json.dumps(fields))
    except Exception as error:  # the Rust library raises Exception itself
        raise KdcError(
            f"the student's tokenizer cannot be cut ({error}): use --vocab keep"
        ) from error


def _renumbered(processor: Mapping[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """Return a post-processor that adds the same special tokens by their new ids."""
    fields = dict(processor)
    if fields["type"] == "Sequence":
        fields["processors"] = [_renumbered(part, new) for part in fields["processors"]]
    if fields["type"] == "TemplateProcessing":
        fields["special_tokens"] = {
            name: {**token, "ids": [_new_id(new, old) for old in token["ids"]]}
            for name, token in fields["special_tokens"].items()
        }
    if fields["type"] in ("BertProcessing", "RobertaProcessing"):
        for place in ("cls", "sep"):
            token, old = fields[place]
            fields[place] = [token, _new_id(new, old)]
    return fields


def _special_ids(processor: Mapping[str, Any]) -> set[int]:
    """Return the ids that a post-processor adds to texts."""
    found = {index for part in processor.get("processors", ()) for index in _special_ids(part)}
    for token in processor.get("special_tokens", {}).values():
        found |= set(token["ids"])
    return found | {processor[place][1] for place in ("cls", "sep") if place in processor}


def _new_id(new: Mapping[int, int], old: int) -> int:
    if old not in new:
        raise KdcError(
            f"the student's tokenizer adds the token {old} to every text, but has no such token "
            "in its vocabulary: use --vocab keep"
        )
    return new[old]
