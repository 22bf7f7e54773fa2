import json

from kdc.export.parity_vectors.vectors import as_line, as_utf8, make_vectors
from tests.student import MAX_LENGTH, tiny_tokenizer


def test_vectors_are_what_the_tokenizer_gives() -> None:
    """A core that agrees with wrong vectors proves nothing."""
    tokenizer = tiny_tokenizer()
    vectors = list(make_vectors(tokenizer, 400, seed=3))
    assert len(vectors) == 400
    assert 20 < sum("pair" in vector for vector in vectors) < 90
    for vector in vectors:
        row = [as_utf8(vector["text"])] + ([as_utf8(vector["pair"])] if "pair" in vector else [])
        encoded = tokenizer.encode(*row)
        assert vector["ids"] == encoded.ids
        assert vector["types"] == encoded.type_ids
        assert [tuple(offset) for offset in vector["offsets"]] == encoded.offsets
        assert len(vector["ids"]) <= MAX_LENGTH


def test_halves_of_pairs_count_as_other_encoders_count_them() -> None:
    """UTF-8 has no halves: JavaScript's, Java's and Swift's encoders write U+FFFD for one."""
    assert as_utf8("a\ud800b\udc00") == "a\ufffdb\ufffd"
    assert as_utf8("\ud83d\ude00\ud83d") == "\U0001f600\ufffd"
    assert as_utf8("\U0001f600é\x00") == "\U0001f600é\x00"


def test_a_line_is_ascii_and_comes_back_as_it_was() -> None:
    vector = {"case": "x", "text": "a\ud800\x00\u2028é\U0001f600", "ids": [1]}
    line = as_line(vector)
    assert line.isascii() and "\n" not in line
    assert json.loads(line) == vector
