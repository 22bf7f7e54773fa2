"""Which tokens a phone needs: those that make up any text, the task's own, and common English."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.wordpiece import WordPiece

KEEP: Literal["keep"] = "keep"
TASK: Literal["task"] = "task"
Wanted = int | Literal["keep", "task"]
TASK_ROWS = 8192
"""What `task` fills the vocabulary up to: half of the 16,384 rows that phones' accelerators can
index, so that the training text alone decides whether there are more."""
_ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_NUMBERS = (
    *(f"{number}{_ENDINGS.get(number, 'th')}" for number in range(1, 32)),
    *map(str, range(101)),
)
"""Days, hours, minutes and percentages: training sees some of them, users say all."""
_SHOWN = 40  # characters of what is no number
_UNUSED = re.compile(r"\[unused\d+\]")


def parse_vocab(text: str) -> Wanted:
    """Read a user's `--vocab`.

    Raises:
        KdcError: it is neither `keep` nor `task` nor a number of tokens.
    """
    if text in (KEEP, TASK):
        return KEEP if text == KEEP else TASK
    if re.fullmatch(r"[1-9][0-9]{0,17}", text):  # what is too large is told beside what there is
        return int(text)
    raise KdcError(
        f"--vocab is keep, task or a number of tokens such as {TASK_ROWS}, in up to 18 digits "
        f"alone, not {text[:_SHOWN]!r}"
    )


def choose_tokens(
    tokenizer: Tokenizer, counts: Array, wanted: Wanted, special: Collection[int] = ()
) -> Array:
    """Choose the tokens of a WordPiece vocabulary that are kept.

    Special tokens and single characters always are. Then `task` takes every token that occurs in
    training, and tokens of numbers and common words until there are 8,192; a number takes exactly
    that many, the most frequent in training first. `keep` keeps every token.

    Args:
        tokenizer: the student's.
        counts: (V,) how often each token occurs in training; rows above V belong to no token.
        wanted: the user's choice.
        special: ids that are kept beside those that the tokenizer itself calls special.

    Returns:
        (K,) int64 ids, sorted.

    Raises:
        KdcError: no WordPiece tokenizer, or a number that is too small or too large.
    """
    source = WordPiece(tokenizer)
    known = {index for index in source.ids().values() if index < len(counts)}
    if wanted == KEEP:
        return _sorted(known)
    always = sorted((source.basic() | set(special)) & known)
    trained = [index for index in _by_count(counts) if index in known]
    needed = list(dict.fromkeys([*always, *trained]))
    ranked = list(dict.fromkeys([*needed, *_common_tokens(tokenizer, known)]))
    if wanted == TASK:
        return _sorted(ranked[: max(TASK_ROWS, len(needed))])
    _check_number(wanted, len(always), len(known))
    unused = {index for token, index in source.ids().items() if _UNUSED.fullmatch(token)}
    rest = sorted(known, key=lambda index: (index in unused, index))
    return _sorted(list(dict.fromkeys([*ranked, *rest]))[:wanted])


def special_ids(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids of special tokens that a configuration names, such as `pad_token_id`."""
    return {
        key: value
        for key, value in config.items()
        if key.endswith("_token_id") and type(value) is int
    }


@cache
def common_words() -> tuple[str, ...]:
    """Return common English words in lower case, the most frequent first."""
    text = files("kdc.compress").joinpath("common_words.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def _by_count(counts: Array) -> list[int]:
    """Return the ids that occur, the most frequent first, ties by id."""
    order = np.argsort(-counts, kind="stable")
    return [int(index) for index in order[: np.count_nonzero(counts)]]


def _common_tokens(tokenizer: Tokenizer, known: Collection[int]) -> list[int]:
    """Return the tokens that numbers, then common words are cut into, in their order.

    Each word stands there in lower case and with a capital: to an uncased tokenizer they are one.
    """
    words = [form for word in common_words() for form in (word, word.capitalize())]
    encoded = tokenizer.encode_batch([*_NUMBERS, *words], add_special_tokens=False)
    return [index for encoding in encoded for index in encoding.ids if index in known]


def _check_number(wanted: int, least: int, most: int) -> None:
    if wanted < least:
        raise KdcError(
            f"--vocab {wanted} is too small: special tokens and single characters alone are "
            f"{least:,} of this tokenizer; give at least that many, or task"
        )
    if wanted > most:
        raise KdcError(
            f"--vocab {wanted} is more than the {most:,} tokens that the student has: "
            "give fewer, or keep"
        )


def _sorted(ids: Collection[int]) -> Array:
    return np.array(sorted(ids), dtype=np.int64)
