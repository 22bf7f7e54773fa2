"""New rows: how many words change, into what, and what must not come out."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kdc.compress.augment import Augmentation, Candidates, NewRow, new_rows, word_source
from kdc.compress.data.dataset import Split
from kdc.compress.data.same_rows import row_key, row_keys
from kdc.compress.errors import KdcError
from kdc.compress.words import mistyped, split_words

NEAR = {"wake": ("rouse", "stir"), "music": ("song",), "alarm": ("clock", "bell", "siren")}
TEXTS = ["wake me, please", "play music now", "no alarm", "42 🎉 not"]


def split(texts: list[str], pairs: list[str] | None = None) -> Split:
    return Split(texts, pairs, np.zeros(len(texts), np.int64))


def made(
    rows: Split,
    *,
    seed: int = 0,
    seen: set[bytes] | None = None,
    **options: Any,  # noqa: ANN401
) -> list[NewRow]:
    augmentation = Augmentation(**{"copies": 20, **options})
    near = word_source(lambda word: NEAR.get(word.lower(), ()), augmentation.candidates)
    return list(new_rows(rows, augmentation, near, set() if seen is None else seen, seed))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"copies": 1.5}, r"\[augment\] copies must be a whole number from 0 to 1,000, not 1.5"),
        ({"copies": True}, "copies must be a whole number"),
        ({"copies": -1}, "copies must be a whole number"),
        ({"candidates": 0}, "candidates must be a whole number from 1"),
        ({"replace": 0}, "replace must be a probability above 0"),
        ({"replace": float("nan")}, "replace must be a probability above 0"),
        ({"replace": "0.4"}, "replace must be a probability above 0"),
        ({"method": "embedding"}, "did you mean embeddings?"),
        ({"keep": 1}, r"unknown \[augment\] keep '1'"),
        ({"model": "bert"}, "leave it out"),
    ],
)
def test_options_out_of_range_are_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(KdcError, match=message):
        Augmentation(**options)


def test_words_become_their_candidates_and_nothing_else_changes() -> None:
    """Bug: function words, numbers or punctuation change, or a word becomes any other."""
    found = made(split(TEXTS))
    assert {row.parent for row in found} == {0, 1, 2}
    for row in found:
        old, new = split_words(TEXTS[row.parent]), split_words(row.text)
        assert old[::2] == new[::2] and old != new
        for before, after in zip(old[1::2], new[1::2], strict=True):
            allowed = NEAR.get(before) or mistyped(before, 15)
            assert after == before or after in allowed
            assert before not in ("me", "no", "now", "not", "42") or after == before


def test_each_word_is_replaced_as_often_as_asked_and_evenly() -> None:
    """Bug: a probability per text, or one candidate that is always taken."""
    texts = [f"alarm {'x' * n}" for n in range(1, 2001)]

    def keep(parts: Sequence[Sequence[str]]) -> list[list[Candidates]]:
        return [[NEAR.get(word, ()) for word in text[1::2]] for text in parts]

    found = list(new_rows(split(texts), Augmentation(copies=1, replace=0.3), keep, set(), 0))
    share = len(found) / len(texts)
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / len(texts)) ** 0.5
    for word in NEAR["alarm"]:
        count = sum(row.text.startswith(word) for row in found)
        assert abs(count / len(found) - 1 / 3) < 4 * (2 / 9 / len(found)) ** 0.5


def test_new_rows_are_new() -> None:
    """Bug: duplicates train one text many times; a text of dev among them leaks its answer."""
    rows = split(["wake me", "WAKE  me"])
    seen = {*row_keys(rows), row_key("Stir me"), row_key(" rouse ME")}
    assert made(rows, seen=seen) == []
    assert made(rows, seen=set(row_keys(rows))) != []
    again = made(split(["music and music and music alarm"]), copies=500)
    keys = [row_key(row.text) for row in again]
    assert len(keys) == len(set(keys)) > 20


def test_a_pair_keeps_one_of_its_texts() -> None:
    """Bug: both texts change at once, so that hardly any answer can be what it was."""
    rows = split(["wake me", "play music"], ["no alarm", "stop the alarm"])
    found = made(rows, copies=200)
    changed = [
        (row.text != rows.texts[row.parent], row.pair != (rows.pairs or [])[row.parent])
        for row in found
    ]
    assert set(changed) == {(True, False), (False, True)}


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    """Bug: order by a set or by `hash`, which differs from one process to the next."""
    code = (
        "import sys, numpy as np\n"
        "from kdc.compress.augment import Augmentation, new_rows, word_source\n"
        "from kdc.compress.data.dataset import Split\n"
        f"rows = Split({TEXTS!r}, None, np.zeros({len(TEXTS)}))\n"
        f"near = word_source(lambda word: {NEAR!r}.get(word, ()), 15)\n"
        "found = list(new_rows(rows, Augmentation(copies=20), near, set(), int(sys.argv[1])))\n"
        "sys.stdout.buffer.write(repr(found).encode())\n"
    )

    def run(seed: str, hashes: str) -> bytes:
        command = [sys.executable, "-c", code, seed]
        env = {**os.environ, "PYTHONHASHSEED": hashes}
        return subprocess.run(command, capture_output=True, check=True, env=env).stdout

    assert run("0", "1") == run("0", "2") == repr(made(split(TEXTS))).encode()
    assert made(split(TEXTS), seed=1) != made(split(TEXTS))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "🎉 🎉",
        "مرحبا بالعالم",
        "\0\x1b wake\0",
        "\ud800 wake",
        "w" * 10_000,
        "wake music " * 900,
        "你好" * 5_000,
        "\u202ewake\u202c",
    ],
)
def test_hostile_texts(text: str) -> None:
    """Bug: a traceback, or a text whose words are swallowed."""
    for row in made(split([text]), copies=3):
        assert row.text != text and abs(len(row.text) - len(text)) < len(text) / 2 + 10


def test_a_chunk_of_rows_ends_where_the_table_ends() -> None:
    """Bug: the last rows of a table that is no multiple of the chunk get no copies."""
    texts = [f"wake {'x' * n}" for n in range(300)]
    assert {row.parent for row in made(split(texts))} == set(range(300))
