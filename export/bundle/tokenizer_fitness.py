"""Whether a `tokenizer.json` is one that the apps' tokenizers, all of them, read as Rust does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError

_KINDS = {
    "model": ("WordPiece",),
    "normalizer": ("BertNormalizer",),
    "pre_tokenizer": ("BertPreTokenizer",),
    "post_processor": ("TemplateProcessing", "BertProcessing"),
}
"""Parts of `tokenizer.json`, and the only kinds of each that the apps' tokenizers know."""
_CUT = {"direction": "Right", "strategy": "LongestFirst"}
_SHOWN = 40  # characters of a foreign name


def check_tokenizer(path: Path, fields: Mapping[str, Any]) -> int | None:
    """Check a `tokenizer.json`; return how many tokens it cuts texts to, None where it does not.

    Raises:
        KdcError: it is damaged, or asks for what no app's tokenizer does.
    """
    for part, wanted in _KINDS.items():
        kind = _object(fields.get(part)).get("type")
        if kind not in wanted:
            found = json.dumps(kind)[:_SHOWN]
            raise KdcError(
                f"{path} has the {part} {found}, and the apps read BERT's tokenizers alone "
                f"({' or '.join(wanted)}): distil from a teacher that has one"
            )
    specials = _read_in_rust(path)
    _check_vocabulary(path, fields["model"])
    _check_added(path, fields.get("added_tokens"))
    if fields.get("truncation") is None:
        return None
    return _check_truncation(path, _object(fields["truncation"]), specials)


def _read_in_rust(path: Path) -> int:
    """Return how many tokens stand around a pair of texts, by the library that trained with it."""
    from tokenizers import Tokenizer  # which no --help should import

    try:
        return int(Tokenizer.from_file(str(path)).num_special_tokens_to_add(True))
    except Exception as error:  # Rust's errors have no class of their own
        raise KdcError(f"{path} is no tokenizer that can be read: export it again") from error


def _check_vocabulary(path: Path, model: Mapping[str, Any]) -> None:
    wanted = {"unk_token": str, "continuing_subword_prefix": str, "max_input_chars_per_word": int}
    wrong = [name for name, kind in wanted.items() if not isinstance(model.get(name), kind)]
    if wrong or model["unk_token"] not in _object(model.get("vocab")):
        name = wrong[0] if wrong else "unk_token"
        raise KdcError(f"{path} has no usable {name}, which every app reads: export it again")


def _check_added(path: Path, tokens: object) -> None:
    if not isinstance(tokens, list):
        raise KdcError(f"{path} has no added_tokens, which every app reads: export it again")
    whole = [token for token in tokens if _object(token).get("single_word")]
    if whole:
        raise KdcError(
            f"{path} has the added token {str(whole[0].get('content'))[:_SHOWN]!a} of whole words "
            "(single_word), which no app looks for: distil from a teacher without one"
        )


def _check_truncation(path: Path, fields: Mapping[str, Any], specials: int) -> int:
    for name, known in _CUT.items():
        if fields.get(name, known) != known:
            raise KdcError(
                f"{path} cuts texts otherwise than BERT does ({name} {fields[name]!a}), and the "
                f"apps know {known} alone: set its truncation to that"
            )
    length = fields.get("max_length")
    if not isinstance(length, int) or length < specials:
        raise KdcError(f"{path} cuts texts to fewer tokens than stand around them: export it again")
    return length


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
