"""Nearest words against plain loops, with tokenizers of three kinds."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from kdc.compress.neighbours import Neighbours, nearest, neighbours, whole_words
from kdc.compress.progress import Silent
from tests.student import tiny_tokenizer
from tests.tiny import Recorder

WORDS = ["alarm", "music", "Music", "kitchen", "loud", "quiet"]


def vectors(rows: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)


def byte_level() -> Tokenizer:
    """A tokenizer like RoBERTa's: a word inside a text is another token than at its start."""
    vocabulary = {"a": 0, "Ġalarm": 1, "alarm": 2, "Ġmusic": 3, "Ġmu": 4, "sic": 5, "Ġ42": 6}
    vocabulary |= {c: 10 + i for i, c in enumerate("Ġlrmusic42knt")}
    merges = [("Ġ", "m"), ("a", "l"), ("al", "a"), ("ala", "r"), ("alar", "m"), ("Ġ", "alarm")]
    for pair in merges:
        vocabulary.setdefault("".join(pair), len(vocabulary) + 30)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_nearest_match_cosines_one_by_one() -> None:
    """Bug: dot products in place of cosines, or the word itself as its nearest neighbour."""
    table = vectors(len(WORDS)) * np.arange(1, 7, dtype=np.float32)[:, None]
    found = nearest(table, WORDS, 3, Silent())
    for row, word in enumerate(WORDS):
        cosines = {
            other: float(table[row] @ table[other])
            / float(np.linalg.norm(table[row]) * np.linalg.norm(table[other]))
            for other in range(len(WORDS))
            if WORDS[other].lower() != word.lower()
        }
        assert found[row].tolist() == sorted(cosines, key=cosines.__getitem__, reverse=True)[:3]


def test_whole_words_are_pieces_of_none() -> None:
    """Bug: `##ing`, [MASK], numbers and single letters stand in the place of words."""
    ids, words = whole_words(tiny_tokenizer(), 128)
    known = tiny_tokenizer().get_vocab()
    assert {"wake", "music", "kitchen"} <= set(words)
    assert not {"a", "b", "up", "the", "[MASK]", "7", "unused0"} & set(words)
    assert not any("#" in word for word in words)
    assert [known[word] for word in words] == ids.tolist()
    assert max(whole_words(tiny_tokenizer(), 9)[0]) < 9


def test_words_inside_a_text_are_meant() -> None:
    """Bug: RoBERTa's token for a word at the start of a text is asked for all places."""
    tokenizer = byte_level()
    ids, words = whole_words(tokenizer, 100)
    inner = tokenizer.encode("a alarm", add_special_tokens=False).ids[-1]
    assert words == ["alarm"] and ids.tolist() == [inner]


def test_a_word_is_found_in_any_capitals_and_answered_in_its_own() -> None:
    """Bug: `Music` at the start of a sentence is looked up as a word of several pieces."""
    tokenizer = tiny_tokenizer()
    ids, words = whole_words(tokenizer, 128)
    find = Neighbours(tokenizer, ids, words, nearest(vectors(128)[ids], words, 2, Silent()))
    assert len(find("music")) == 2
    assert find("Music") == tuple(word.capitalize() for word in find("music"))
    assert find("MUSIC") == tuple(word.upper() for word in find("music"))
    assert find("zebra") == () and find("🎉") == () and find("") == ()


def test_the_table_is_kept_and_made_again_where_it_is_damaged(tmp_path: Path) -> None:
    """Bug: a table that was cut off, or of another teacher, is believed."""
    tokenizer, table = tiny_tokenizer(), vectors(128)

    def make(vectors: npt.NDArray[np.float32]) -> tuple[Neighbours, list[str]]:
        watch = Recorder()
        return neighbours(tokenizer, vectors, 3, tmp_path, watch), watch.bars

    first, bars = make(table)
    assert bars == ["finding the nearest words"]
    (path,) = tmp_path.iterdir()
    assert make(table)[1] == []
    whole = path.read_bytes()
    for broken in (b"", whole[:-4], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(broken)
        again, bars = make(table)
        assert bars == ["finding the nearest words"] and again("music") == first("music")
    assert path.read_bytes() == whole
    other, bars = make(vectors(128, seed=1))
    assert len(list(tmp_path.iterdir())) == 2 and other("music") != first("music")


def test_a_vocabulary_without_whole_words(tmp_path: Path) -> None:
    """Bug: a table of no rows is a traceback."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##a": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    assert neighbours(tokenizer, vectors(3), 5, tmp_path, Silent())("music") == ()


@pytest.mark.parametrize("count", [1, 50])
def test_few_words_have_few_neighbours(tmp_path: Path, count: int) -> None:
    find = neighbours(tiny_tokenizer(), vectors(128), count, tmp_path, Silent())
    assert 1 <= len(find("music")) <= count
