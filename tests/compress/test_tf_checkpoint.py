"""Google's checkpoints beside the transformers model that they were written from."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForPreTraining

from kdc.compress.crc32c import crc32c, masked, unmasked
from kdc.compress.errors import KdcError
from kdc.compress.general.load import load_masked_lm
from kdc.compress.locks import lock
from kdc.compress.models import find_model, load_classifier
from kdc.compress.progress import Silent
from kdc.compress.tensor_bundle import TensorBundle
from kdc.compress.tf_checkpoint import _digest, converted
from tests import tensorflow_files
from tests.student import tiny_tokenizer
from tests.tensorflow_files import google_checkpoint, google_names, write_bundle
from tests.tiny import Recorder, tiny_data

DATA, INDEX = "bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.index"
IDS = torch.tensor([[2, 7, 4, 9, 3, 8, 3]])
TYPES = torch.tensor([[0, 0, 0, 0, 0, 1, 1]])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_checksum_is_that_of_the_polynomial() -> None:
    """Bug: stretches joined in the wrong order, found on files larger than one of them only."""
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    data = bytes(range(251)) * 140
    for size in (0, 1, 8191, 8192, 8193, 35_140):
        assert crc32c(data[:size]) == tensorflow_files.crc32c(data[:size])
    assert unmasked(masked(123_456_789)) == 123_456_789


def test_logits_are_those_of_the_model_it_was_written_from(tmp_path: Path) -> None:
    """Bug: a matrix the wrong way round, or a layer in another's place."""
    model = google_checkpoint(tmp_path / "google")
    source = find_model(str(tmp_path / "google"), Silent())
    with torch.no_grad():
        expected = model(IDS, token_type_ids=TYPES)
        both = BertForPreTraining.from_pretrained(source.folder)(IDS, token_type_ids=TYPES)
        words = load_masked_lm(source)(IDS, token_type_ids=TYPES).logits
    assert torch.equal(both.prediction_logits, expected.prediction_logits)
    assert torch.equal(both.seq_relationship_logits, expected.seq_relationship_logits)
    assert torch.equal(words, expected.prediction_logits)
    assert source.name == str(tmp_path / "google")
    _, info = AutoModelForMaskedLM.from_pretrained(source.folder, output_loading_info=True)
    assert not info["missing_keys"]
    load_classifier(source, tiny_data().task)  # as any teacher that has still to be fine-tuned


def test_its_words_get_the_ids_of_its_vocabulary(tmp_path: Path) -> None:
    """Bug: capital letters kept for a vocabulary that has none, or special tokens cut apart."""
    google_checkpoint(tmp_path / "google")
    source = find_model(str(tmp_path / "google"), Silent())
    tokenizer = AutoTokenizer.from_pretrained(source.folder)
    plain = tiny_tokenizer()
    plain.no_truncation()
    for text in ("wake me UP at ten", "pläy [MASK] 你好!", "", "qux"):
        assert tokenizer(text)["input_ids"] == plain.encode(text).ids
    assert tokenizer.mask_token_id == 4 and tokenizer.model_max_length == 32


def test_a_cased_vocabulary_keeps_capital_letters(tmp_path: Path) -> None:
    """Bug: every name becomes [UNK]."""
    google_checkpoint(tmp_path / "google")
    path = tmp_path / "google" / "vocab.txt"
    path.write_text(path.read_text().replace("\nwake\n", "\nWake\n"))
    source = find_model(str(tmp_path / "google"), Silent())
    tokenizer = AutoTokenizer.from_pretrained(source.folder)
    assert tokenizer.tokenize("Wake me") == ["Wake", "me"]


def test_it_is_converted_once_and_again_when_damaged(tmp_path: Path, cache: Path) -> None:
    """Bug: minutes at every start, or a broken copy for ever."""
    google_checkpoint(tmp_path / "google")
    said = Recorder()
    first = find_model(str(tmp_path / "google"), said)
    assert find_model(str(tmp_path / "google"), said) == first
    assert len(said.said) == 1
    weights = first.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert find_model(str(tmp_path / "google"), said).digest == first.digest
    assert "is damaged: converting" in said.said[1]
    assert cache in first.folder.parents


def cut_data(folder: Path) -> None:
    (folder / DATA).write_bytes((folder / DATA).read_bytes()[:5000])


def flip_data(folder: Path) -> None:
    data = bytearray((folder / DATA).read_bytes())
    data[len(data) // 3] ^= 1
    (folder / DATA).write_bytes(data)


def lose_data(folder: Path) -> None:
    (folder / DATA).unlink()


def cut_index(folder: Path) -> None:
    (folder / INDEX).write_bytes((folder / INDEX).read_bytes()[100:])


def empty_index(folder: Path) -> None:
    (folder / INDEX).write_bytes(b"")


def lose(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def settings(**changes: Any) -> Callable[[Path], None]:  # noqa: ANN401
    def change(folder: Path) -> None:
        path = folder / "bert_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def binary_words(folder: Path) -> None:
    (folder / "vocab.txt").write_bytes(b"\xff\xfe[PAD]")


def few_words(folder: Path) -> None:
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\nwake\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut_data, "is cut off: .* lies behind its end"),
        (flip_data, "does not match its checksum"),
        (lose_data, "cannot read .*data-00000-of-00001: No such file"),
        (cut_index, "is damaged or no index of a TensorFlow checkpoint"),
        (empty_index, "is damaged or no index of a TensorFlow checkpoint"),
        (lose("bert_config.json"), r"without its bert_config\.json"),
        (lose("vocab.txt"), r"without its vocab\.txt"),
        (settings(hidden_size=48, num_attention_heads=3), "should be float"),
        (settings(num_hidden_layers=1), "holds layers that this does not count"),
        (settings(num_hidden_layers=3), "the index lacks it"),
        (settings(num_hidden_layers=10**9), "sets num_hidden_layers to"),
        (settings(vocab_size="many"), "sets vocab_size to 'many'"),
        (settings(hidden_act="os.system"), "sets hidden_act"),
        (settings(vocab_size=100), "they are of different models"),
        (binary_words, "it is not UTF-8"),
        (few_words, r"lacks \[CLS\]"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_what_is_wrong_with_it_is_said_in_a_sentence(
    tmp_path: Path, cache: Path, spoil: Callable[[Path], None], words: str
) -> None:
    """Bug: a struct.error, all memory gone, or a model of random numbers."""
    google_checkpoint(tmp_path / "google")
    spoil(tmp_path / "google")
    with pytest.raises(KdcError, match=words):
        find_model(str(tmp_path / "google"), Silent())
    assert not list(cache.rglob("model.safetensors"))


def test_every_flipped_byte_of_an_index_is_noticed(tmp_path: Path) -> None:
    """Bug: an endless loop, an IndexError, or a tensor from another place."""
    model = google_checkpoint(tmp_path / "google")
    tensors = dict(list(google_names(model).items())[:9])
    write_bundle(tmp_path / "x", tensors)
    good, path = TensorBundle(tmp_path / "x").entries, tmp_path / "x.index"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            found = TensorBundle(tmp_path / "x").entries
        except KdcError:
            continue
        assert found == good  # the meta index and the footer's filler say nothing


def test_parallel_runs_share_one_conversion(tmp_path: Path, cache: Path) -> None:
    """Bug: of the tasks of an array job all but one end with "in use by another run"."""
    google_checkpoint(tmp_path / "google")
    said, again = Recorder(), Recorder()
    place = cache / "kdc" / "tensorflow" / f"{_digest(tmp_path / 'google')}.lock"
    with ThreadPoolExecutor(1) as pool:
        with lock(place, "x"):
            waiting = pool.submit(converted, tmp_path / "google", said)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
        made = waiting.result(timeout=60)
    assert len(said.said) == 1
    with lock(place, "x"):  # somebody else's: what is there is read all the same
        assert converted(tmp_path / "google", again) == made
    assert not again.said
