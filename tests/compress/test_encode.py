import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from kdc.compress import encode as module
from kdc.compress.data.dataset import Split
from kdc.compress.encode import (
    Batches,
    encode,
    epoch_order,
    equal_lengths,
    plain_tokenizer,
    same_tokenizer,
    vocabulary,
)
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.files import write_json
from kdc.compress.models import Source, load_tokenizer
from kdc.compress.progress import Silent
from tests.student import tiny_tokenizer
from tests.tiny import Recorder, tiny_data, tiny_encoder, tiny_rows

AWKWARD = [
    "",
    " ",
    "wake me",
    "Wake ME up at Ten!?",
    "naïve café ÀÉÎ ß ﬁ Å",
    "你好 世界 play もう 한국어",
    "😀🏽👨‍👩‍👧 \u200d zero\u200bwidth \ufeff \u202e",
    "tab\tnew\nline\rnul\x00bell\x07 \u00a0nbsp",
    "[SEP] [CLS] [MASK] [UNK] </s> <mask>",
    "e\u0301 \u0301alone \U0010ffff",
    "a" * 400,
    "wake " * 60,
]


def byte_level_folder(folder: Path) -> Path:
    """Write a byte-level BPE tokenizer as RoBERTa's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["wake me up at ten and play some loud music"] * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=False
    )
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    fields = {**dict(zip(names, special, strict=True)), "cls_token": "<s>", "sep_token": "</s>"}
    write_json(folder / "tokenizer_config.json", {**fields, "tokenizer_class": "RobertaTokenizer"})
    write_json(folder / "config.json", {"model_type": "roberta"})
    return folder


@pytest.fixture(scope="module", params=["wordpiece-right", "wordpiece-left", "bytes-right"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401
    kind, side = request.param.split("-")
    place = tmp_path_factory.mktemp("tokenizer") / "model"
    folder = tiny_encoder(place) if kind == "wordpiece" else byte_level_folder(place)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "truncation_side": side}))
    return load_tokenizer(Source("x", folder, ""))


@pytest.mark.parametrize("length", [5, 16, 512])
def test_plain_ids_are_exactly_transformers_ids(tokenizer: Any, length: int) -> None:  # noqa: ANN401
    """Bug: a model is trained on other ids than transformers will give it later."""
    plain = plain_tokenizer(tokenizer, length)
    options = {"truncation": True, "max_length": length, "return_token_type_ids": True}
    for text in AWKWARD:
        ours, theirs = plain.encode(text), tokenizer(text, **options)
        assert (ours.ids, ours.type_ids) == (theirs["input_ids"], theirs["token_type_ids"])
        assert len(ours) <= length
        for other in AWKWARD[1:]:  # transformers takes an empty second text for none at all
            ours, theirs = plain.encode(text, other), tokenizer(text, other, **options)
            assert (ours.ids, ours.type_ids) == (theirs["input_ids"], theirs["token_type_ids"])
            assert len(ours) <= length


def test_a_plain_tokenizer_never_pads_and_leaves_its_origin_alone(tokenizer: Any) -> None:  # noqa: ANN401
    """Bug: padding from a saved tokenizer.json ends up inside rows, as tokens."""
    tokenizer.backend_tokenizer.enable_padding(length=40)
    plain = plain_tokenizer(tokenizer, 8)
    lengths = {len(row) for row in plain.encode_batch(["wake", "wake me up at ten now"])}
    assert 40 not in lengths
    assert len(lengths) == 2
    assert tokenizer.backend_tokenizer.padding is not None
    tokenizer.backend_tokenizer.no_padding()


def test_texts_are_cut_at_their_end_whatever_a_teacher_does(tokenizer: Any) -> None:  # noqa: ANN401
    """Bug: a student was trained on the ends of texts, and apps show it their beginnings."""
    text = "wake me up at seven play some loud music"
    short, whole = (plain_tokenizer(tokenizer, length).encode(text).ids for length in (5, 64))
    assert len(short) < len(whole) and short[:3] == whole[:3]


def test_every_row_keeps_its_own_tokens_types_and_label() -> None:
    """Bug: rows shift against labels where the texts are handed over in pieces."""
    rng = np.random.default_rng(0)
    texts = [" ".join(["wake"] * int(n)) for n in rng.integers(0, 9, 2500)]
    split = Split(texts, ["now"] * 2500, rng.integers(0, 3, 2500))
    progress = Recorder()
    examples = encode(tiny_tokenizer(), split, progress, "train")
    assert progress.bars == ["tokenising train"]
    for index in (0, 1023, 1024, 2047, 2048, 2499):
        ids, types = examples.row(index)
        expected = tiny_tokenizer().encode(texts[index], "now")
        assert ids.tolist() == expected.ids
        assert types.tolist() == expected.type_ids
    assert examples.labels is split.labels


@pytest.mark.parametrize("pair", [False, True])
def test_long_texts_are_tokenised_few_at_once(pair: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a thousand texts of 100,000 characters hold 7 GB of tokens before they are cut."""
    at_once: list[int] = []

    def counted(tokenizer: Tokenizer, rows: list[Any]) -> list[Any]:
        at_once.append(len(rows))
        return encoded(tokenizer, rows)

    encoded = module._encoded
    monkeypatch.setattr(module, "_encoded", counted)
    monkeypatch.setattr(module, "_CHARACTERS", 100)
    texts = ["wake", "play " * 10, "play " * 30, "stop", "", *["a b"] * 1100]
    rows = Split(
        texts, ["play " * 10] * len(texts) if pair else None, np.zeros(len(texts), np.int64)
    )
    found = encode(tiny_tokenizer(), rows, Silent(), "rows")
    if pair:
        assert at_once[:4] == [1, 1, 1, 1] and sum(at_once) == len(texts)
    else:
        assert at_once[:2] == [2, 1] and max(at_once) <= 35 and sum(at_once) == len(texts)
    monkeypatch.setattr(module, "_CHARACTERS", 10**9)
    at_once.clear()
    same = encode(tiny_tokenizer(), rows, Silent(), "rows")
    assert at_once == [1024, 81]
    np.testing.assert_array_equal(found.tokens, same.tokens)
    np.testing.assert_array_equal(found.lengths, same.lengths)


def test_a_tokenizer_without_an_unknown_token_is_named_in_a_sentence() -> None:
    """Bug: the Rust library's bare Exception, half way through the rows."""
    state = json.loads(tiny_tokenizer().to_str())
    del state["model"]["vocab"]["[UNK]"]
    broken = Tokenizer.from_str(json.dumps(state))
    with pytest.raises(KdcError, match=r"tokenizer\.json cannot encode"):
        encode(broken, Split(["wake ∑"], None, np.zeros(1, np.int64)), Silent(), "train")


def test_a_text_without_any_token_is_refused() -> None:
    """Bug: a row of no tokens gives NaN, or an error about shapes."""
    bare = Tokenizer(models.WordLevel({"wake": 0}, unk_token="wake"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(KdcError, match="no token to an empty text"):
        encode(bare, Split(["wake", ""], None, np.zeros(2, np.int64)), Silent(), "train")


def test_tokenizers_are_the_same_when_they_give_the_same_ids() -> None:
    """Bug: truncation makes a tokenizer another one, or another vocabulary does not."""
    one, other = tiny_tokenizer(), tiny_tokenizer()
    other.no_truncation()
    assert same_tokenizer(one, other)
    other.add_tokens(["zebra"])
    assert not same_tokenizer(one, other)
    assert vocabulary(other)["zebra"] == len(vocabulary(one))


# -- batches ------------------------------------------------------------------------------------


def lengths_of(rows: int) -> Any:  # noqa: ANN401
    """Return lengths as those of real sentences: about 20 tokens, with a long tail."""
    rng = np.random.default_rng(1)
    return np.clip(np.exp(rng.normal(3.0, 0.5, rows)), 3, 128).astype(np.int32)


@pytest.mark.parametrize(
    ("rows", "size"), [(1, 32), (31, 32), (32, 32), (33, 32), (5000, 32), (7, 1)]
)
def test_an_epoch_has_every_row_exactly_once(rows: int, size: int) -> None:
    """Bug: the last, smaller batch or pool is dropped, or a row comes twice."""
    order = epoch_order(lengths_of(rows), size, seed=0, epoch=0)
    assert sorted(np.concatenate(order).tolist()) == list(range(rows))
    assert len(order) == -(-rows // size)
    assert max(len(batch) for batch in order) <= size


def test_the_order_follows_from_seed_and_epoch() -> None:
    """Bug: a resumed run sees other batches, or every epoch the same ones."""

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in epoch_order(lengths_of(500), 32, seed, epoch)]

    assert order(3, 1) == order(3, 1)
    assert order(3, 1) != order(3, 2)
    assert order(3, 1) != order(4, 1)
    assert order(0, 1) != order(1, 0)


def test_batches_hold_little_padding_in_no_order_of_length() -> None:
    """Bug: half of every batch is padding; or the short texts all come first."""
    lengths = lengths_of(20_000)
    order = epoch_order(lengths, 32, seed=0, epoch=0)
    longest = np.array([lengths[batch].max() for batch in order])
    unsorted = lengths[:20_000].reshape(-1, 32).max(axis=1)
    assert 1 - lengths.sum() / (32 * unsorted.sum()) > 0.5
    assert 1 - lengths.sum() / (32 * longest.sum()) < 0.06
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.1


def test_equal_lengths_never_pads_and_covers_every_row() -> None:
    """Bug: an answer depends on the rows that happen to share its batch."""
    lengths = lengths_of(2000)
    seen = list(equal_lengths(lengths, 16))
    assert sorted(np.concatenate(seen).tolist()) == list(range(2000))
    assert all(len(set(lengths[batch].tolist())) == 1 for batch in seen)
    assert max(map(len, seen)) == 16


def test_a_batch_is_its_rows_padded_to_the_longest() -> None:
    """Bug: the mask, the types or the rows of a batch are taken from a neighbour."""
    examples = tiny_rows(tiny_data(pair=True).train)
    index = np.array([5, 0, 17])
    batch = Batches(examples, padding=99, device=torch.device("cpu")).make(index)
    longest = int(examples.lengths[index].max())
    assert batch.input_ids.shape == batch.mask.shape == batch.types.shape == (3, longest)
    for place, row in enumerate(index):
        ids, types = examples.row(int(row))
        n = len(ids)
        assert batch.input_ids[place].tolist() == ids.tolist() + [99] * (longest - n)
        assert batch.types[place].tolist() == types.tolist() + [0] * (longest - n)
        assert batch.mask[place].tolist() == [1] * n + [0] * (longest - n)
    assert batch.labels.tolist() == examples.labels[index].tolist()
    assert batch.index.tolist() == index.tolist()
    made = [Batches(examples, 99, torch.device("cpu")).make(rows) for rows in (index, index[:1])]
    assert [batch.padded for batch in made] == [len(set(examples.lengths[index])) > 1, False]


@pytest.mark.parametrize(
    ("labels", "dtype"), [(np.int64, torch.int64), (np.float32, torch.float32)]
)
def test_classes_stay_whole_numbers_and_scores_stay_fp32(labels: Any, dtype: torch.dtype) -> None:  # noqa: ANN401
    """Bug: scores are cut to whole numbers on their way to the device."""
    ones = np.ones(2, np.int32)
    examples = Examples(
        ones, ones.astype(np.uint8), ones, np.array([1, 2], labels), ["a", "b"], None
    )
    batch = Batches(examples, 0, torch.device("cpu")).make(np.array([1, 0]))
    assert batch.labels.dtype == dtype
    assert batch.labels.tolist() == [2, 1]
