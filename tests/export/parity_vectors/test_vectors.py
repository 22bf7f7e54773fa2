import json
import subprocess
import sys
from pathlib import Path

import pytest

from kdc.export.parity_vectors.vectors import as_line, as_utf8, make_vectors
from tests.student import MAX_LENGTH, tiny_tokenizer


def test_vectors_are_what_the_tokenizer_gives() -> None:
    """A core that agrees with wrong vectors proves nothing."""
    tokenizer = tiny_tokenizer()
    vectors = list(make_vectors(tokenizer, 400, seed=3))
    assert len(vectors) == 400
    assert 20 < sum("pair" in vector for vector in vectors) < 90
    for vector in vectors:
        other = as_utf8(vector["pair"]) if "pair" in vector else None
        encoded = tokenizer.encode(as_utf8(vector["text"]), other)
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


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kdc.export.parity_vectors.vectors", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_module_writes_vectors_for_other_languages(tmp_path: Path) -> None:
    path = str(tmp_path / "tokenizer.json")
    tiny_tokenizer().save(path)
    lines = _run(path, "20", "3").stdout.splitlines()
    assert lines == [as_line(vector) for vector in make_vectors(tiny_tokenizer(), 20, seed=3)]


@pytest.mark.parametrize("arguments", [(), ("x",), ("/nowhere", "3"), ("/nowhere", "many")])
def test_the_module_says_what_is_wrong(arguments: tuple[str, ...]) -> None:
    """A traceback in front of a user."""
    done = _run(*arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
