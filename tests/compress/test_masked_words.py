"""A masked-LM's candidates against the model asked by hand, a word at a time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from kdc.compress.errors import KdcError
from kdc.compress.masked_words import MaskedWords, check_masked_lm
from kdc.compress.models import find_model
from kdc.compress.progress import Silent
from kdc.compress.words import mistyped, split_words
from tests.student import tiny_tokenizer
from tests.tiny import own_rng, save_model, tiny_config, tiny_encoder, tiny_model

CPU = torch.device("cpu")


def masked_lm(folder: Path) -> Path:
    with own_rng():
        return save_model(folder, BertForMaskedLM(tiny_config()).eval())


def by_hand(model: Any, words: list[str], at: int, count: int) -> list[str]:  # noqa: ANN401
    """Mask word `at`, put the text itself behind, and sort the whole vocabulary."""
    ids = tiny_tokenizer().get_vocab()
    one = [ids[word] for word in words]
    masked = [*one[:at], ids["[MASK]"], *one[at + 1 :]]
    row = [ids["[CLS]"], *masked, ids["[SEP]"], *one, ids["[SEP]"]]
    types = [0] * (len(words) + 2) + [1] * (len(words) + 1)
    with torch.no_grad():
        out = model(torch.tensor([row]), token_type_ids=torch.tensor([types])).logits[0, at + 1]
    names = {index: word for word, index in ids.items()}
    ranked = [names[index] for index in out.argsort(descending=True).tolist()]
    likely = [word for word in ranked[: 3 * count] if len(word) > 1 or not word.isascii()]
    allowed = [word for word in likely if word.isalpha() and word not in STAY]
    return [word for word in allowed if word != words[at]][:count]


STAY = {"up", "at", "in", "the", "it", "now", "me", "some"}


def test_candidates_are_the_likeliest_words_at_the_mask(tmp_path: Path) -> None:
    """Bug: the place of the mask is off by one, or padding reaches into a shorter text."""
    source = find_model(str(masked_lm(tmp_path / "m")), Silent())
    ask = MaskedWords(source, 5, CPU)
    model = BertForMaskedLM.from_pretrained(tmp_path / "m").eval()
    texts = ["wake me up at ten please", "play loud music", "stop"]
    found = ask([split_words(text) for text in texts])
    assert [len(row) for row in found] == [6, 3, 1]
    for text, row in zip(texts, found, strict=True):
        words = text.split()
        for at, (word, options) in enumerate(zip(words, row, strict=True)):
            expected = [] if word in STAY else by_hand(model, words, at, 5)
            assert list(options) == expected, word


def test_words_of_several_pieces_are_mistyped_and_others_left(tmp_path: Path) -> None:
    """Bug: half a word is masked, or a number replaced."""
    # of random weights the few best tokens may all be pieces
    ask = MaskedWords(find_model(str(masked_lm(tmp_path / "m")), Silent()), 50, CPU)
    (row,) = ask([split_words("wake zebras, not 42 🎉!")])
    assert row[0] and row[1] == mistyped("zebras", 50)
    assert row[2:] == [(), (), ()]


@pytest.mark.parametrize("text", ["", "🎉", "\0", "wake " * 500, "z" * 10_000, "مرحبا wake"])
def test_hostile_texts(tmp_path: Path, text: str) -> None:
    """Bug: a text longer than the model's positions, or one without a word, is a traceback."""
    ask = MaskedWords(find_model(str(masked_lm(tmp_path / "m")), Silent()), 4, CPU)
    parts = split_words(text)
    (row,) = ask([parts])
    assert len(row) == len(parts[1::2])


def test_another_family_with_another_head(tmp_path: Path) -> None:
    """Bug: DistilBERT takes no token types, and its head has another name."""
    config = DistilBertConfig(vocab_size=128, dim=32, n_layers=1, n_heads=2, hidden_dim=64)
    with own_rng():
        folder = save_model(tmp_path / "d", DistilBertForMaskedLM(config))
    (row,) = MaskedWords(find_model(str(folder), Silent()), 50, CPU)([split_words("play music")])
    assert {"music", "wake", "kitchen"} <= set(row[0]) and "play" not in row[0]
    assert {"play", "wake", "kitchen"} <= set(row[1]) and row[0] != row[1]


def test_a_model_without_such_a_head_is_refused_by_its_configuration(tmp_path: Path) -> None:
    """Bug: the words of an untrained head, drawn at random, fill the texts."""
    for name, folder in (
        ("encoder", tiny_encoder(tmp_path / "e")),
        ("classifier", save_model(tmp_path / "c", tiny_model())),
    ):
        with pytest.raises(KdcError, match="has no such head: name a checkpoint"):
            check_masked_lm(find_model(str(folder), Silent()), name)
    check_masked_lm(find_model(str(masked_lm(tmp_path / "m")), Silent()), "it")


def test_a_head_that_is_named_but_not_there_is_refused(tmp_path: Path) -> None:
    """Bug: transformers draws a missing head at random and only warns."""
    folder = tiny_encoder(tmp_path / "e")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("BertModel", "BertForMaskedLM"))
    source = find_model(str(folder), Silent())
    check_masked_lm(source, "it")
    with pytest.raises(KdcError, match=r"do not fit its config\.json"):
        MaskedWords(source, 3, CPU)
