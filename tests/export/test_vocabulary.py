import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer, models

from kdc.compress.artifact import read_student
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json
from kdc.compress.progress import Silent
from kdc.compress.wordpiece import WordPiece
from kdc.export.config import write_config
from kdc.export.onnx_file import save_model
from kdc.export.parity import compare
from kdc.export.session import answer, open_session
from kdc.export.tokenizer import check_tokenizer
from kdc.export.vocabulary import Vocabulary, encode_again, reduce_vocabulary
from kdc.export.word_table import cut_vocabulary
from tests.student import make_student, make_task, remake, tiny_tokenizer

UNUSED = sum("unused" in token for token in tiny_tokenizer().get_vocab())


@pytest.fixture
def altered(student_folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copy the student with some fields of its config.json set."""

    def make(**fields: object) -> Path:
        folder = shutil.copytree(student_folder, tmp_path / "altered")
        config = read_json(folder / "config.json") | fields
        (folder / "config.json").write_text(json.dumps(config))
        remake(folder)
        return folder

    return make


def reduced(folder: Path, wanted: str = "task") -> Vocabulary:
    found = reduce_vocabulary(read_student(folder), wanted)
    assert found is not None
    return found


def test_the_whole_cut_leaves_a_student_that_answers_dev_as_before(
    student_folder: Path, fp32: Path, tmp_path: Path
) -> None:
    """Bug: model, tokenizer and rows follow three different orders of the tokens."""
    student = read_student(student_folder)
    vocabulary = reduced(student_folder)
    assert (vocabulary.rows_before, vocabulary.rows) == (128, 128 - UNUSED)
    assert vocabulary.changed == 0.0
    dev = encode_again(vocabulary.tokenizer, student.dev())
    check_tokenizer(vocabulary.tokenizer, dev)
    assert np.array_equal(vocabulary.kept[dev.tokens], student.dev().tokens)
    model = onnx.load(fp32)
    cut_vocabulary(model, vocabulary.kept, vocabulary.rows_before)
    save_model(model, tmp_path / "cut.onnx")
    logits = answer(open_session(tmp_path / "cut.onnx"), dev, Silent())
    assert np.array_equal(logits, answer(open_session(fp32), student.dev(), Silent()))
    assert compare("it", logits, np.asarray(dev.logits), "classification").agreement == 1.0


def test_what_changed_is_counted_in_tokens_of_dev(tmp_path: Path) -> None:
    """Bug: the share is of texts, or of the vocabulary, and says nothing about the cut."""
    folder = make_student(tmp_path / "s")
    dev = read_student(folder).dev()
    least = len(WordPiece(tiny_tokenizer()).basic())
    vocabulary = reduced(folder, str(least + 3))
    kept = {tiny_tokenizer().id_to_token(int(index)) for index in vocabulary.kept}
    tokens = [tiny_tokenizer().id_to_token(int(index)) for index in dev.tokens]
    by_hand = sum(token not in kept for token in tokens) / len(tokens)
    assert 0.3 < by_hand < 0.9
    assert vocabulary.changed == pytest.approx(by_hand)
    again = encode_again(vocabulary.tokenizer, dev)
    assert again.lengths.sum() > dev.lengths.sum()
    assert again.lengths.max() <= 24
    assert again.texts == dev.texts
    assert again.logits is dev.logits


def test_pairs_are_tokenised_as_pairs(tmp_path: Path) -> None:
    """Bug: the second text is forgotten, or its tokens carry the first one's type."""
    student = read_student(make_student(tmp_path / "s", task=make_task(pair=True)))
    dev = student.dev()
    again = encode_again(tiny_tokenizer(), dev)
    assert np.array_equal(again.tokens, dev.tokens)
    assert np.array_equal(again.types, dev.types)
    assert (again.tokens.dtype, again.types.dtype) == (dev.tokens.dtype, dev.types.dtype)
    assert np.array_equal(again.lengths, dev.lengths)
    first = encode_again(tiny_tokenizer(), replace(dev, pairs=None))
    assert first.types.sum() == 0


@pytest.mark.parametrize("wanted", ["keep", "128"])
def test_nothing_to_cut_is_nothing(student_folder: Path, wanted: str) -> None:
    assert reduce_vocabulary(read_student(student_folder), wanted) is None


def test_new_ids(student_folder: Path) -> None:
    vocabulary = reduced(student_folder)
    for new, old in enumerate(vocabulary.kept.tolist()):
        assert vocabulary.new_id(old) == new
    gone = [index for index in range(128) if index not in vocabulary.kept.tolist()]
    assert [vocabulary.new_id(index) for index in [*gone, 128, 10**6]] == [None] * (UNUSED + 2)


def test_the_configuration_follows(altered: Callable[..., Path], tmp_path: Path) -> None:
    """Bug: transformers.js and AutoConfig go on with rows and ids of the whole vocabulary."""
    folder = altered(bos_token_id=30, eos_token_id=127, sep_token_id=9999, pad_token_id=0)
    student, vocabulary = read_student(folder), reduced(folder)
    assert vocabulary.rows == 128 - UNUSED + 1
    write_config(student, tmp_path, True, vocabulary)
    config = read_json(tmp_path / "config.json")
    assert config["vocab_size"] == vocabulary.rows
    names = [f"{name}_token_id" for name in ("pad", "bos", "eos", "sep")]
    place = vocabulary.kept.tolist().index(30)
    assert [config[name] for name in names] == [0, place, vocabulary.rows - 1, None]
    write_config(student, tmp_path, True)
    assert read_json(tmp_path / "config.json")["vocab_size"] == 128


def test_a_padding_token_that_would_move_is_refused(altered: Callable[..., Path]) -> None:
    """Bug: RoBERTa's graph counts positions from an id that now means another token."""
    with pytest.raises(KdcError, match=r"padding token 127 would get another id.*--vocab keep"):
        reduced(altered(pad_token_id=127))


def test_the_folder_of_an_older_kdc_is_one_sentence(altered: Callable[..., Path]) -> None:
    folder = altered()
    (folder / "token_counts.npz").unlink()
    remake(folder)
    with pytest.raises(KdcError, match=r"no token_counts.npz.*distil again.*--vocab keep"):
        reduced(folder)
    assert reduce_vocabulary(read_student(folder), "keep") is None


def test_another_kind_of_tokenizer_is_one_sentence(altered: Callable[..., Path]) -> None:
    folder = altered()
    Tokenizer(models.BPE()).save(str(folder / "tokenizer.json"))
    remake(folder)
    with pytest.raises(KdcError, match="a BPE tokenizer cannot be cut"):
        reduced(folder)
