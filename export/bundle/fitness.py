"""Whether an app can work with a phone folder's model, found out before anything is written."""

import json
from collections.abc import Mapping
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import read_json
from kdc.export.options import SessionOptions
from kdc.export.phone_model import Phone

_NEEDED = ("config.json", "golden.json", "tokenizer.json")
_KINDS = {"model": "WordPiece", "normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
"""Parts of `tokenizer.json`, and the only kind of each that the apps' tokenizers know."""
_SHOWN = 40  # characters of a foreign name


def check_fitness(phone: Phone) -> None:
    """Check that the apps know the model's inputs, its tokenizer and what else they read.

    Raises:
        KdcError: a file is not named by the manifest, the tokenizer is of another kind, or the
            model does not open or takes inputs that no app gives.
    """
    from kdc.export.probe import probe  # numpy, which no --help should import

    missing = [name for name in _NEEDED if name not in phone.manifest["files"]]
    if missing:
        raise KdcError(
            f"{phone.folder} has no {missing[0]}, which every app reads: export it again"
        )
    _check_tokenizer(phone, read_json(phone.folder / "tokenizer.json"))
    session = phone.manifest.get("session")
    options = SessionOptions.from_dict(session if session is not None else {}, str(phone.model))
    probe(phone.model, options)


def _check_tokenizer(phone: Phone, fields: Mapping[str, Any]) -> None:
    for part, wanted in _KINDS.items():
        value = fields.get(part)
        kind = value.get("type") if isinstance(value, dict) else None
        if kind != wanted:
            found = json.dumps(kind)[:_SHOWN]
            raise KdcError(
                f"{phone.folder / 'tokenizer.json'} has the {part} {found}, and the apps read "
                f"BERT's tokenizers alone ({wanted}): distil from a teacher that has one"
            )
