"""The tokenizer that ships: the student's own, cut at its length, for every library that reads one.

`tokenizer.json` is all that tokenizer libraries on devices, transformers.js and transformers
need; `vocab.txt` is for those that know WordPiece alone.
"""

import json
from collections.abc import Container
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from kdc.compress.artifact import Student
from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.examples import Examples
from kdc.compress.files import read_json, write_json, write_text

# what transformers 5 calls a tokenizer without a class of its own; 4.x knows the older name only
_GENERIC = {None: "PreTrainedTokenizerFast", "TokenizersBackend": "PreTrainedTokenizerFast"}
# code and paths of other machines, and how the teacher's own makers once called it
_SPARSE = 2  # ids there may be for each token
_FOREIGN = {"auto_map", "name_or_path", "tokenizer_file", "is_local", "local_files_only"}
_FOREIGN |= {"max_length", "stride", "truncation_strategy", "pad_to_multiple_of"}


def load_tokenizer(student: Student) -> Tokenizer:
    """Return the student's tokenizer: no padding, cut at the student's `max_length`.

    Raises:
        KdcError: the student has no usable `tokenizer.json`.
    """
    source = student.folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(source))
    except Exception as error:  # the Rust library raises Exception itself
        raise KdcError(f"{source} is no tokenizer that can be read: distil again") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(student.max_length)
    return tokenizer


def write_tokenizer(student: Student, folder: Path, tokenizer: Tokenizer) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and, for WordPiece, `vocab.txt`.

    Args:
        student: the student folder.
        folder: the phone folder.
        tokenizer: what ships: no padding, cut at the student's `max_length`.

    Raises:
        KdcError: two tokens of a WordPiece tokenizer have one id, or hardly any id has a token.
    """
    write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    write_json(folder / "tokenizer_config.json", _config(student, tokenizer))
    if json.loads(tokenizer.to_str())["model"]["type"] == "WordPiece":
        write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in _lines(tokenizer)))


def check_tokenizer(tokenizer: Tokenizer, dev: Examples) -> None:
    """Check that the shipped tokenizer makes the ids that the student was measured on.

    Raises:
        GateFailed: it cuts a dev text into other tokens.
    """
    wanted = np.split(dev.tokens, dev.starts[1:])
    for place, ids in enumerate(wanted):
        pair = dev.pairs[place] if dev.pairs else None
        if tokenizer.encode(dev.texts[place], pair).ids != ids.tolist():
            raise GateFailed(
                f"the student's tokenizer.json cuts dev text {place + 1} into other tokens than "
                "dev.npz has, so its accuracy is not the student's: distil again"
            )


def _config(student: Student, tokenizer: Tokenizer) -> dict[str, object]:
    config = read_json(student.folder / "tokenizer_config.json")
    kept = {key: value for key, value in config.items() if key not in _FOREIGN}
    name = config.get("tokenizer_class")
    added = kept.get("added_tokens_decoder")
    if isinstance(added, dict):  # transformers 4 takes the ids of special tokens from here
        ids = ((tokenizer.token_to_id(token["content"]), token) for token in added.values())
        kept["added_tokens_decoder"] = {str(i): token for i, token in ids if i is not None}
    return {
        **kept,
        "tokenizer_class": _GENERIC.get(name, name),
        "model_max_length": student.max_length,
    }


def _lines(tokenizer: Tokenizer) -> list[str]:
    """Return the lines of `vocab.txt`, whose numbers are the ids of the tokens.

    A `vocab.txt` in which a token stands twice makes a tokenizer without the id of the first. In
    ours such a line holds what no text is ever cut into, or all tokens behind it had other ids.
    """
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    tokens = {index: token for token, index in vocabulary.items()}
    if len(tokens) < len(vocabulary):
        raise KdcError(
            "two tokens of the tokenizer have one id, which no vocab.txt can hold: mend the "
            "teacher's tokenizer.json and distil again"
        )
    count = max(tokens) + 1
    if count > _SPARSE * len(tokens):  # a file of anybody's may name any id
        raise KdcError(
            f"the tokenizer has {len(tokens):,} tokens and ids up to {count - 1:,}, too many gaps "
            "for a vocab.txt: mend the teacher's tokenizer.json and distil again"
        )
    return [tokens[index] if index in tokens else _gap(index, vocabulary) for index in range(count)]


def _gap(index: int, vocabulary: Container[str]) -> str:
    """Return a token for an id that has none; BERT cuts it at its punctuation, so never finds it.

    It is no `[unused5]`, which some libraries are told to find as a whole.
    """
    name = f"[gap-{index}]"
    while name in vocabulary:
        name = f"[{name}]"
    return name
