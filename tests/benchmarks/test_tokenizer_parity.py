from collections.abc import Callable
from types import ModuleType

import pytest

from kdc.export.parity_vectors.replay import Replay
from tests.student import tiny_tokenizer

Load = Callable[[str], ModuleType]


def test_the_cased_tokenizer_keeps_case_and_knows_it(benchmark_module: Load) -> None:
    """One without tokens for capitals gives [UNK] for most words, which any core gets right."""
    tokenizer = benchmark_module("tokenizer_parity").cased(tiny_tokenizer())
    tokens = tokenizer.encode("Wake É").tokens
    assert tokens == ["[CLS]", "Wake", "É", "[SEP]"]


def test_the_reduced_tokenizer_has_fewer_tokens_and_still_writes_all(
    benchmark_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = benchmark_module("tokenizer_parity")
    monkeypatch.setattr(module, "REDUCED", 5)
    tokenizer = module.reduced(tiny_tokenizer())
    assert 5 < tokenizer.get_vocab_size() < 128
    assert tokenizer.encode("wake").tokens == ["[CLS]", "w", "##a", "##k", "##e", "[SEP]"]


def test_points_tell_what_the_tokenizer_does(benchmark_module: Load) -> None:
    """A count over vectors that are wrong themselves would blame the other side."""
    tokenizer = tiny_tokenizer()
    vectors = list(benchmark_module("tokenizer_parity").points(tokenizer))
    assert len(vectors) > 140_000
    for vector in vectors[::5_000]:
        assert tokenizer.encode(vector["text"]).ids == vector["ids"]
    assert {vector["case"] for vector in vectors} == {
        "last sigma",
        "ideographs beyond U+FFFF",
        "others",
    }


def test_the_table_adds_up(benchmark_module: Load) -> None:
    module = benchmark_module("tokenizer_parity")
    cores = [module.Core("one", lambda path: []), module.Core("two", lambda path: [])]
    fields = frozenset({"ids"})
    found = {
        (core.name, kind): Replay(1_000, fields, {"marks": count, "long": 1}, [], 1.0)
        for core, kind, count in (
            (cores[0], "cased", 2),
            (cores[0], "uncased", 3),
            (cores[1], "cased", 0),
            (cores[1], "uncased", 1_000),
        )
    }
    rows = module.table(found, cores, ["cased", "uncased"])[2:]
    assert rows == [
        "| one | ids | 3 | 4 | 7 of 2,000 |",
        "| two | ids | 1 | 1,001 | 1,002 of 2,000 |",
    ]
