import json
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.models import Source
from kdc.compress.progress import Silent
from kdc.compress.rows import DEFAULT_MAX_LENGTH, tokenise
from tests.compress.test_encode import byte_level_folder
from tests.tiny import POSITIONS, Recorder, tiny_data, tiny_encoder


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source("x", tiny_encoder(tmp_path / "model"), "")


def test_every_split_is_tokenised_with_one_tokenizer(source: Source) -> None:
    """Bug: dev or test is cut or padded otherwise than train."""
    data = tiny_data()
    rows = tokenise(source, data, POSITIONS, None, Silent())
    assert (len(rows.train), len(rows.dev)) == (len(data.train), len(data.dev))
    assert rows.test is not None
    assert data.test is not None
    ids, _ = rows.test.row(0)
    assert ids.tolist() == rows.plain.encode(data.test.texts[0]).ids
    assert rows.padding == rows.tokenizer.pad_token_id == 0
    assert rows.max_length == rows.tokenizer.model_max_length == POSITIONS
    assert tokenise(source, replace(data, test=None), POSITIONS, None, Silent()).test is None


def test_without_a_wish_the_length_is_128_or_what_the_model_has(source: Source) -> None:
    """Bug: a model of 514 positions trains on texts of 514 tokens, at sixteen times the cost."""
    assert tokenise(source, tiny_data(), 512, None, Silent()).max_length == DEFAULT_MAX_LENGTH
    assert tokenise(source, tiny_data(), 20, None, Silent()).max_length == 20


@pytest.mark.parametrize("wanted", [-1, 0, 2, POSITIONS + 1])
def test_a_length_that_the_model_does_not_have_is_refused(source: Source, wanted: int) -> None:
    """Bug: an IndexError in the middle of training, or texts of special tokens alone."""
    with pytest.raises(KdcError, match=f"--max-length must be from 3 to this model's {POSITIONS}"):
        tokenise(source, tiny_data(), POSITIONS, wanted, Silent())


@pytest.mark.parametrize(("pair", "least"), [(False, 3), (True, 5)])
def test_the_least_length_counts_the_tokenizers_special_tokens(
    tmp_path: Path, pair: bool, least: int
) -> None:
    """Bug: RoBERTa puts 4 special tokens around a pair; cut at 3, nothing is cut at all."""
    source = Source("x", byte_level_folder(tmp_path / "model"), "")
    data = tiny_data(pair=pair)
    with pytest.raises(KdcError, match=f"from {least} to"):
        tokenise(source, data, 64, least - 1, Silent())
    (source.folder / "config.json").write_text('{"model_type": "roberta", "vocab_size": 400}')
    assert tokenise(source, data, 64, least, Silent()).train.lengths.max() == least


def test_a_tokenizer_without_padding_is_refused(source: Source) -> None:
    """Bug: batches are padded with token None."""
    path = source.folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token": None}))
    with pytest.raises(KdcError, match="no padding token"):
        tokenise(source, tiny_data(), POSITIONS, None, Silent())


def test_a_tokenizer_of_another_model_is_refused(source: Source) -> None:
    """Bug: an IndexError from the embedding, or a CUDA assertion that ends the process."""
    path = source.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "vocab_size": 20}))
    with pytest.raises(KdcError, match="embeddings for 20 tokens: it belongs to another model"):
        tokenise(source, tiny_data(), POSITIONS, None, Silent())


def test_cutting_many_texts_is_said_and_cutting_few_is_not(source: Source) -> None:
    """Bug: a user never learns that the model reads the first words only."""
    said = Recorder()
    tokenise(source, tiny_data(), POSITIONS, 5, said)
    assert len(said.said) == 1
    assert "of the training texts fill 5 tokens; longer ones are cut" in said.said[0]
    said = Recorder()
    tokenise(source, tiny_data(), POSITIONS, None, said)
    assert said.said == []


def test_texts_that_the_tokenizer_cannot_read_are_told(source: Source) -> None:
    """Bug: a teacher of English is fine-tuned on Russian for an hour, and then knows nothing."""
    data, said = tiny_data(), Recorder()
    foreign = replace(data.train, texts=["\u043f\u0440\u0438\u0432\u0435\u0442"] * len(data.train))
    tokenise(source, replace(data, train=foreign), POSITIONS, None, said)
    assert said.said == ["33% of the training tokens are [UNK]: x does not read such texts"]
