import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers, processors

from kdc.export.awkward import awkward_texts
from kdc.export.parity_vectors.vectors import make_vectors
from tests.jvm import UNICODE, encode, java
from tests.student import tiny_tokenizer

COUNT = 1000
Change = Callable[[Tokenizer], None]


def cased(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)


def accented(tokenizer: Tokenizer) -> None:
    """Lower case with its accents: decomposition is skipped, and one letter may become two."""
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)


def uncleaned(tokenizer: Tokenizer) -> None:
    """Control characters stay, and white space of all kinds ends words by itself."""
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False)


def with_added(tokenizer: Tokenizer) -> None:
    """Added tokens that overlap, take spaces along, or are found in the normalised text."""
    spaces = AddedToken("<x>", lstrip=True, rstrip=True, normalized=False)
    tokenizer.add_tokens([spaces, AddedToken("<x>y", normalized=False)])
    tokenizer.add_tokens([AddedToken("Ärger", normalized=True), AddedToken("wake up")])


def with_spaces(tokenizer: Tokenizer) -> None:
    """Tokens that begin with a space that the token before them takes along."""
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(" up", normalized=False)])
    tokenizer.add_tokens([AddedToken(" <y>", lstrip=True, normalized=False)])


def with_bert_processing(tokenizer: Tokenizer) -> None:
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))


def uncut(tokenizer: Tokenizer) -> None:
    tokenizer.no_truncation()


CHANGES: list[Change] = [
    cased,
    accented,
    uncleaned,
    with_added,
    with_bert_processing,
    uncut,
    lambda _: None,
]


def compare(tokenizer: Tokenizer, vectors: list[dict[str, Any]], folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    answers = encode(path, vectors)
    assert len(answers) == len(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        wanted = {name: vector[name] for name in ("ids", "types", "offsets")}
        assert answer == wanted, ascii((vector["text"], vector.get("pair")))[:500]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("<>"))
def test_hostile_texts_get_the_ids_and_offsets_of_the_rust_tokenizer(
    change: Change, tmp_path: Path
) -> None:
    """A text that the phone cuts into other tokens gets another answer than was measured."""
    tokenizer = tiny_tokenizer()
    change(tokenizer)
    compare(tokenizer, list(make_vectors(tokenizer, COUNT, seed=11)), tmp_path)


@pytest.mark.parametrize("change", [with_added, with_spaces, cased])
def test_added_tokens_and_awkward_texts(change: Change, tmp_path: Path) -> None:
    """Texts that people paste: special tokens, spaces around them, words cut in two by them."""
    tokenizer = tiny_tokenizer()
    change(tokenizer)
    texts = [*awkward_texts(24), "a <x> b", "<x>y<x>", "  <x>  <x>  ", "ÄRGER ärger", "Wake  UP"]
    texts += ["<x>  up <x> up", "<x>   <y>  <y> up", "wake  <y><x> <y>"]
    texts += ["[MASK]wake[MASK ][CLS]", "wake up", "[mask]", "x<x", "\ud800 \udc00", "\ud83d\ude00"]
    vectors = []
    for text in texts:
        row = tokenizer.encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        told = {"text": text, "ids": row.ids, "types": row.type_ids}
        vectors.append({**told, "offsets": [list(offset) for offset in row.offsets]})
    compare(tokenizer, vectors, tmp_path)


@pytest.mark.parametrize("most", [3, 4, 5, 6, 7, 8, 11, 24])
def test_pairs_are_cut_as_the_rust_tokenizer_cuts_them(most: int, tmp_path: Path) -> None:
    """The longer text is cut first; a rounding the other way moves the second text's first id."""
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(most)
    vectors = []
    for first in range(12):
        for second in range(12):
            text, pair = "wake " * first, "music " * second
            row = tokenizer.encode(text, pair)
            told = {"text": text, "pair": pair, "ids": row.ids, "types": row.type_ids}
            vectors.append({**told, "offsets": [list(offset) for offset in row.offsets]})
    compare(tokenizer, vectors, tmp_path)


def refused(fields: object, tmp_path: Path) -> str:
    path = tmp_path / "tokenizer.json"
    path.write_text(fields if isinstance(fields, str) else json.dumps(fields))
    done = java("Vectors", path, UNICODE, given="")
    assert done.returncode == 1
    assert "Exception" not in done.stderr
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("model", "type"), "BPE", "tokenizer.json has the model BPE"),
        (("normalizer",), None, 'its "normalizer" is missing'),
        (("normalizer", "lowercase"), "yes", 'its "lowercase" is missing or wrong'),
        (("model", "unk_token"), "[GONE]", 'its "unk_token" is missing or wrong'),
        (("model", "vocab", "wake"), 1.5, 'its "wake" is missing or wrong'),
        (("added_tokens", 0, "single_word"), True, "found as a whole word only"),
        (("truncation", "strategy"), "OnlyFirst", "cuts texts otherwise than BERT does"),
        (("truncation", "max_length"), 1, 'its "max_length" is missing or wrong'),
        (("post_processor", "type"), "Sequence", 'its "type" is missing or wrong'),
    ],
)
def test_a_tokenizer_it_cannot_follow_is_refused_in_a_sentence(
    place: tuple[str | int, ...], value: object, sentence: str, tmp_path: Path
) -> None:
    """Ids that are nearly right are worse than none: the answers would look plausible."""
    fields = json.loads(tiny_tokenizer().to_str())
    inner = fields
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert sentence in refused(fields, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a": 1, "a": 2}',
        "{} x",
        '{"a": 01}',
        '{"a": 1e999}',
        '"\t"',
        "nul",
    ],
)
def test_what_is_no_json_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    """Nesting without end would overflow the stack, which no caller catches."""
    assert "tokenizer.json is not valid JSON" in refused(text, tmp_path)
