from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from kdc.compress.artifact import read_student
from kdc.compress.distill import distill
from kdc.compress.errors import KdcError
from kdc.compress.fewer_words import cut_embedding
from kdc.compress.files import sha256
from kdc.compress.progress import Silent
from kdc.compress.recipe import load_recipe
from tests.tiny import tiny_encoder, tiny_job, tiny_model, tiny_teacher

FEWER = 100  # of 128: every letter is kept, and the words that occur most


@pytest.fixture
def student(tmp_path: Path) -> Path:
    teacher = tiny_teacher(tmp_path / "teacher")
    distill(tiny_job(teacher, tmp_path / "student", vocab=str(FEWER)), Silent())
    return tmp_path / "student"


def test_the_folder_answers_with_its_own_tokens(student: Path) -> None:
    """Rows in the teacher's ids on a table of the student's would look up other words."""
    dev = read_student(student).dev()
    model = AutoModelForSequenceClassification.from_pretrained(student).eval()
    tokenizer = AutoTokenizer.from_pretrained(student)
    assert model.config.vocab_size == len(tokenizer) == FEWER
    assert dev.tokens.max() < FEWER
    assert dev.logits is not None
    with torch.no_grad():
        for index in range(5):
            inputs = tokenizer(dev.texts[index], return_tensors="pt")
            np.testing.assert_array_equal(inputs["input_ids"][0], dev.row(index)[0])
            np.testing.assert_allclose(model(**inputs).logits[0], dev.logits[index], atol=1e-5)


def test_tokens_are_counted_in_the_students_ids(student: Path) -> None:
    counts = read_student(student).token_counts()
    assert counts is not None
    assert counts.shape == (FEWER,)
    assert counts[2] == counts[3] == 96  # [CLS] and [SEP] of every training text


def test_a_second_cut_of_the_same_vocabulary_is_none(student: Path) -> None:
    """The tokenizer that was cut is a whole tokenizer to whoever exports the student."""
    tokenizer = Tokenizer.from_file(str(student / "tokenizer.json"))
    ids = tokenizer.get_vocab()
    assert sorted(ids.values()) == list(range(FEWER))
    lines = (
        (student / "vocab.txt").read_text().splitlines()
        if (student / "vocab.txt").is_file()
        else []
    )
    assert not lines or [ids[token] for token in lines] == list(range(FEWER))


def test_the_teacher_is_asked_in_its_own_tokens(tmp_path: Path) -> None:
    """A teacher that reads pieces it has never seen says something else."""
    teacher = tiny_teacher(tmp_path / "teacher")
    kept = []
    for vocab in ("keep", str(FEWER)):
        out = tmp_path / vocab / "student"
        out.parent.mkdir()
        distill(tiny_job(teacher, out, vocab=vocab), Silent())
        kept += [sha256(path) for path in (out.parent / ".kdc/kept").glob("*.safetensors")]
    assert len(kept) == 2
    assert kept[0] == kept[1]


def test_states_cannot_be_compared_across_tokens(tmp_path: Path) -> None:
    """Refused before anything is trained: the encoder here would first need a head."""
    encoder = tiny_encoder(tmp_path / "encoder")
    job = tiny_job(encoder, tmp_path / "out", vocab=str(FEWER), recipe=load_recipe("layers"))
    with pytest.raises(KdcError, match="compares states token by token"):
        distill(job, Silent())
    assert not (tmp_path / ".kdc/teachers").exists()


@pytest.mark.parametrize("vocab", ["", "some", "0", "12", "4096"])
def test_an_impossible_vocabulary_is_one_sentence(tmp_path: Path, vocab: str) -> None:
    teacher = tiny_teacher(tmp_path / "teacher")
    with pytest.raises(KdcError, match="--vocab"):
        distill(tiny_job(teacher, tmp_path / "student", vocab=vocab), Silent())


def test_the_rows_that_stay_are_the_models_own() -> None:
    model = tiny_model()
    before = model.get_input_embeddings().weight.detach().clone()
    kept = np.array([0, 1, 2, 3, 4, 9, 100])
    cut_embedding(model, kept)
    after = model.get_input_embeddings()
    assert torch.equal(after.weight, before[torch.from_numpy(kept)])
    assert after.padding_idx == model.config.pad_token_id == 0
    assert model.config.vocab_size == len(kept)


def test_a_special_token_that_nobody_has_is_forgotten() -> None:
    """Configurations name ids beyond the vocabulary; transformers only warns of them."""
    model = tiny_model()
    model.config.eos_token_id = 4096
    cut_embedding(model, np.arange(40))
    assert model.config.eos_token_id is None
