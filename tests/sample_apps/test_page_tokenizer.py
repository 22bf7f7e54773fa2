import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer

from kdc.compress.wordpiece import WordPiece, reduce_tokenizer
from kdc.export.parity_vectors.replay import replay
from kdc.export.parity_vectors.vectors import make_vectors
from tests.student import MAX_LENGTH, tiny_tokenizer

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / "benchmarks" / "tokenizer_node.mjs"
APPS = ROOT / "sample_apps"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no node: apt-get install npm")


def _odd(**normalizer: bool | None) -> Tokenizer:
    fields = json.loads(tiny_tokenizer().to_str())
    fields["normalizer"] |= normalizer
    return Tokenizer.from_str(json.dumps(fields))


def _with_tokens() -> Tokenizer:
    """Added tokens of every sort: kept as they are, normalised, and with the spaces around."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken("Café é", normalized=True, rstrip=True)])
    tokenizer.add_tokens([AddedToken("[MAS", normalized=False), AddedToken("ß", lstrip=True)])
    return tokenizer


def _with_spaces() -> Tokenizer:
    """Tokens that begin with a space, beside one that takes the spaces after it along."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AddedToken("wake", rstrip=True), AddedToken(" up", normalized=False)])
    tokenizer.add_tokens([AddedToken(" at", lstrip=True), AddedToken("ten", rstrip=True)])
    tokenizer.add_tokens([AddedToken("[X]", normalized=False, rstrip=True)])
    return tokenizer


def _reduced() -> Tokenizer:
    tokenizer = tiny_tokenizer()
    return reduce_tokenizer(tokenizer, np.array(sorted(WordPiece(tokenizer).basic())))


def _long() -> Tokenizer:
    tokenizer = tiny_tokenizer()
    tokenizer.no_truncation()
    return tokenizer


def _bert_processing() -> Tokenizer:
    fields = json.loads(tiny_tokenizer().to_str())
    fields["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    return Tokenizer.from_str(json.dumps(fields))


TOKENIZERS = {
    "uncased": tiny_tokenizer,
    "cased": lambda: _odd(lowercase=False),
    "accents kept": lambda: _odd(strip_accents=False),
    "cased, accents stripped": lambda: _odd(lowercase=False, strip_accents=True),
    "nothing cleaned": lambda: _odd(clean_text=False, handle_chinese_chars=False),
    "reduced": _reduced,
    "added tokens": _with_tokens,
    "added tokens with spaces": _with_spaces,
    "not cut": _long,
    "BertProcessing": _bert_processing,
}


def _command(path: Path) -> list[str]:
    module = APPS / "web" / "tokenizer.js"
    return ["node", str(RUNNER), str(module), str(path), str(APPS / "unicode.txt")]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_ids_types_and_offsets_are_the_rust_tokenizers(name: str, tmp_path: Path) -> None:
    """The page would answer other texts than those that the model was measured on."""
    tokenizer = TOKENIZERS[name]()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    extra = [{"case": "added", **_vector(tokenizer, text)} for text in _ADDED]
    vectors = [*make_vectors(tokenizer, 1_000, seed=11), *extra]
    found = replay(_command(tmp_path / "tokenizer.json"), vectors)
    assert found.fields == {"ids", "types", "offsets"}
    assert found.texts == 1_000 + len(_ADDED)
    assert found.differing == {}, found.first


_ADDED = ["a café É  \t b", "x CAFE\u0301 e\u0301[MASK]", "[MAS[MASK]", "a  \u3000ß b", "ßß  ß", ""]
_ADDED += ["wake  up", "[X]  up [X] up", "wake   at ten  at", "ten  at at  ten at", "wake at "]


def _vector(tokenizer: Tokenizer, text: str) -> dict[str, object]:
    encoded = tokenizer.encode(text)
    offsets = [list(offset) for offset in encoded.offsets]
    return {"text": text, "ids": encoded.ids, "types": encoded.type_ids, "offsets": offsets}


def test_cut_is_what_lost_a_token(tmp_path: Path) -> None:
    """Bug: a text of exactly as many tokens as fit was told as one that was cut."""
    path = tmp_path / "tokenizer.json"
    tiny_tokenizer().save(str(path))
    whole = _long()
    pairs = [(first, second) for first in range(25) for second in (None, 0, 9, 10, 30)]
    texts = [("wake " * one, None if two is None else "up " * two) for one, two in pairs]
    asked = "".join(json.dumps({"text": text, "pair": pair}) + "\n" for text, pair in texts)
    done = subprocess.run(_command(path), input=asked, capture_output=True, text=True, timeout=60)
    found = [json.loads(line)["cut"] for line in done.stdout.splitlines()]
    assert found == [len(whole.encode(*each).ids) > MAX_LENGTH for each in texts]
    assert 20 < sum(found) < len(texts) - 20


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("pre_tokenizer", {"type": "Whitespace"}),
        ("truncation", {"direction": "Left"}),
        ("truncation", {"strategy": "OnlyFirst"}),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused_in_one_sentence(
    part: str, value: dict[str, str], tmp_path: Path
) -> None:
    """Another kind's vocabulary or way to cut, read as BERT's, gives ids of something else."""
    from kdc.compress.errors import KdcError

    fields = json.loads(tiny_tokenizer().to_str())
    fields[part] |= value
    Tokenizer.from_str(json.dumps(fields))  # the Rust tokenizer honours it
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(KdcError, match="node fails"):
        replay(_command(path), make_vectors(tiny_tokenizer(), 3, seed=0))
