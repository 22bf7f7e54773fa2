"""The reduced tokenizer, against a greedy longest match written by hand and transformers' own."""

import json
import random
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

from kdc.compress.arrays import Array
from kdc.compress.artifact import read_student
from kdc.compress.errors import KdcError
from kdc.compress.wordpiece import WordPiece, reduce_tokenizer
from kdc.export.awkward import awkward_texts
from kdc.export.tokenizer import write_tokenizer
from tests.student import (
    MAX_LENGTH,
    SPECIAL,
    make_student,
    remake,
    tiny_texts,
    tiny_tokenizer,
    token_of,
)

DROPPED = ["wake", "music", "##q", "##z", "7", "你"]


def kept_without(tokenizer: Tokenizer, dropped: list[str]) -> Array:
    gone = {tokenizer.token_to_id(token) for token in dropped}
    gone |= {index for token, index in tokenizer.get_vocab().items() if "unused" in token}
    ids = set(tokenizer.get_vocab().values()) - gone
    return np.array(sorted(ids), dtype=np.int64)


def by_hand(text: str, tokens: list[str], limit: int = 100) -> list[int]:
    """Cut a text as BERT does, by a few lines of our own over the tokens in their order."""
    number = {token: index for index, token in enumerate(tokens)}
    ids = [number["[CLS]"]]
    for part in re.split(r"(\[PAD\]|\[UNK\]|\[CLS\]|\[SEP\]|\[MASK\])", text):
        if part in SPECIAL:
            ids.append(number[part])
            continue
        for word in words_of(part):
            ids += pieces_of(word, number, limit)
    return [*ids[: MAX_LENGTH - 1], number["[SEP]"]]


def words_of(text: str) -> list[str]:
    clean = "".join(
        " " if c.isspace() or c in "\t\n\r" else c
        for c in text
        if c in "\t\n\r" or not (c in "\0\ufffd" or unicodedata.category(c)[0] == "C")
    )
    spaced = "".join(f" {c} " if 0x4E00 <= ord(c) <= 0x9FFF else c for c in clean)
    plain = unicodedata.normalize("NFD", spaced)
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn").lower()
    marks = "".join(f" {c} " if is_mark(c) else c for c in plain)
    return marks.split()


def is_mark(c: str) -> bool:
    return c in r"""!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~""" or unicodedata.category(c)[0] == "P"


def pieces_of(word: str, number: dict[str, int], limit: int) -> list[int]:
    found: list[int] = []
    start = 0
    while start < len(word) and len(word) <= limit:
        head = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if head + word[start:end] in number), None)
        if end is None:
            return [number["[UNK]"]]
        found.append(number[head + word[start:end]])
        start = end
    return found or [number["[UNK]"]]


def tokens_of(tokenizer: Tokenizer) -> list[str]:
    return [token_of(tokenizer, index) for index in range(tokenizer.get_vocab_size())]


def texts() -> list[str]:
    rng = random.Random(0)
    letters = "aqzwk 7你é.,!'[]#"
    wild = ["".join(rng.choices(letters, k=rng.randint(0, 30))) for _ in range(300)]
    named = ["wake me", "WAKE up, Music!", "quiz 7 你好", "[CLS] wake [MASK] [unused3]", "a" * 101]
    return [*named, *tiny_texts(50, 5), *wild]


def test_it_cuts_as_a_greedy_longest_match_over_the_fewer_tokens() -> None:
    """Bug: a word whose token went keeps its id, which now is some other word's."""
    full = tiny_tokenizer()
    kept = kept_without(full, DROPPED)
    reduced = reduce_tokenizer(full, kept)
    tokens = [token_of(full, int(index)) for index in kept]
    assert tokens_of(reduced) == tokens
    for text in texts():
        assert reduced.encode(text).ids == by_hand(text, tokens), text
        assert full.encode(text).ids == by_hand(text, tokens_of(full)), text


def test_a_text_whose_tokens_are_kept_gets_the_same_tokens_in_any_script() -> None:
    """Bug: casing, truncation or the template change with the vocabulary."""
    full = tiny_tokenizer()
    kept = kept_without(full, DROPPED)
    reduced, same = reduce_tokenizer(full, kept), 0
    for text in [*awkward_texts(MAX_LENGTH), *texts()]:
        before = full.encode(text, "stop it")
        if set(before.ids) <= set(kept.tolist()):
            after = reduced.encode(text, "stop it")
            assert after.tokens == before.tokens
            assert kept[after.ids].tolist() == before.ids
            assert after.type_ids == before.type_ids
            same += 1
    assert same > 50


def test_transformers_loads_it_and_gives_the_same_ids(tmp_path: Path) -> None:
    """Bug: tokenizer_config.json or vocab.txt still carry the ids of the whole vocabulary."""
    student, full = read_student(make_student(tmp_path / "student")), tiny_tokenizer()
    reduced = reduce_tokenizer(full, kept_without(full, DROPPED))
    write_tokenizer(student, tmp_path, reduced)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert len(theirs) == reduced.get_vocab_size()
    for text in [*awkward_texts(MAX_LENGTH), *texts()]:
        assert theirs(text, truncation=True)["input_ids"] == reduced.encode(text).ids, text
    lines = (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert lines == tokens_of(reduced)


def test_the_ids_that_transformers_4_writes_down_move_too(tmp_path: Path) -> None:
    """Bug: added_tokens_decoder gives a special token an id beyond the smaller vocabulary."""
    folder, full = make_student(tmp_path / "s"), tiny_tokenizer()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    named = {full.token_to_id(token): token for token in ("[PAD]", "now", "[unused3]")}
    config["added_tokens_decoder"] = {str(index): {"content": named[index]} for index in named}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    remake(folder)
    kept = kept_without(full, DROPPED)
    write_tokenizer(read_student(folder), tmp_path, reduce_tokenizer(full, kept))
    written = json.loads((tmp_path / "tokenizer_config.json").read_text())
    place = kept.tolist().index(full.token_to_id("now"))
    assert written["added_tokens_decoder"] == {
        "0": {"content": "[PAD]"},
        str(place): {"content": "now"},
    }
    assert place != full.token_to_id("now")


@pytest.mark.parametrize("kind", ["bert", "roberta", "sequence", "template"])
def test_every_post_processor_adds_the_new_ids(kind: str) -> None:
    """Bug: [SEP] keeps its old id in the one place that is not the vocabulary."""
    vocabulary = {"[PAD]": 0, "gone": 1, "[UNK]": 2, "wake": 3, "[CLS]": 4, "also": 5, "[SEP]": 6}
    full = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    full.pre_tokenizer = pre_tokenizers.Whitespace()
    template = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 4), ("[SEP]", 6)]
    )
    full.post_processor = {
        "bert": processors.BertProcessing(("[SEP]", 6), ("[CLS]", 4)),
        "roberta": processors.RobertaProcessing(("[SEP]", 6), ("[CLS]", 4)),
        "sequence": processors.Sequence([template]),
        "template": template,
    }[kind]
    assert {4, 6} <= WordPiece(full).basic()
    reduced = reduce_tokenizer(full, np.array([0, 2, 3, 4, 6]))
    assert reduced.encode("wake gone").ids == [3, 2, 1, 4]
    with pytest.raises(KdcError, match=r"adds the token 4 to every text.*--vocab keep"):
        reduce_tokenizer(full, np.array([0, 2, 3, 6]))


def test_casing_and_the_longest_word_stay_as_they_are() -> None:
    """Bug: the reduced tokenizer is built anew, uncased and with words of 100 letters."""
    vocabulary = {"[UNK]": 0, "A": 1, "a": 2, "++a": 3, "b": 4}
    full = Tokenizer(
        models.WordPiece(
            vocabulary,
            unk_token="[UNK]",
            continuing_subword_prefix="++",
            max_input_chars_per_word=3,
        )
    )
    full.normalizer = normalizers.BertNormalizer(lowercase=False)
    full.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    reduced = reduce_tokenizer(full, np.array([0, 1, 2, 3]))
    assert reduced.encode("A aaa aaaa b").ids == [1, 2, 3, 3, 0, 0]


@pytest.mark.parametrize("model", [models.BPE(), models.Unigram([("a", 0.0)]), models.WordLevel()])
def test_other_kinds_of_tokenizer_are_refused(model: models.Model) -> None:
    """Bug: without its merges a BPE token is out of reach, and its text is cut at random."""
    with pytest.raises(KdcError, match="only WordPiece's: use --vocab keep"):
        reduce_tokenizer(Tokenizer(model), np.array([0]))
