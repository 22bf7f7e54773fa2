import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kdc.compress.errors import KdcError
from kdc.export.graph.read import load_config, read_encoder
from tests.student import make_student

Tensors = dict[str, np.ndarray[Any, Any]]


def change_config(folder: Path, **fields: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def change_weights(folder: Path, change: Callable[[Tensors], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def student(tmp_path: Path) -> Path:
    return make_student(tmp_path / "student")


def test_sizes_are_read_off_the_weights(student: Path) -> None:
    encoder = read_encoder(student, pair=True)
    assert [layer.heads for layer in encoder.layers] == [2, 2]
    assert encoder.embeddings.words.shape == (128, 32)
    assert encoder.embeddings.types is not None
    assert encoder.layers[0].up.weight.shape == (32, 64)
    assert encoder.head[-1].linear.bias.shape == (3,)


def test_a_single_text_needs_no_token_types(student: Path) -> None:
    """The vector of type 0 is in every sum: it belongs to the positions, not to the phone."""
    alone, pair = read_encoder(student, pair=False), read_encoder(student, pair=True)
    assert alone.embeddings.types is None
    assert pair.embeddings.types is not None
    wanted = pair.embeddings.positions + pair.embeddings.types[0]
    np.testing.assert_array_equal(alone.embeddings.positions, wanted)


def test_roberta_counts_positions_from_behind_its_padding_token(tmp_path: Path) -> None:
    folder = make_student(tmp_path / "student", "Roberta")
    config = load_config(folder)
    rows = len(read_encoder(folder, pair=False).embeddings.positions)
    assert rows == config.max_position_embeddings - config.pad_token_id - 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"is_decoder": True}, "is_decoder"),
        ({"hidden_act": "silu"}, "hidden_act = 'silu'"),
        ({"architectures": ["BertModel"]}, "BertModel"),
        ({"model_type": "mobilebert"}, "not mobilebert"),
    ],
)
def test_what_the_description_cannot_express_is_refused(
    student: Path, fields: dict[str, object], reason: str
) -> None:
    """A relative position that is silently left out gives a model that answers nonsense."""
    change_config(student, **fields)
    with pytest.raises(KdcError, match=reason) as caught:
        read_encoder(student, pair=False)
    assert "--exporter torch" in str(caught.value)


def drop(tensors: Tensors) -> None:
    del tensors["bert.encoder.layer.1.output.dense.bias"]


def add(tensors: Tensors) -> None:
    tensors["bert.encoder.layer.1.adapter.weight"] = np.zeros((2, 2), np.float32)


def cut(tensors: Tensors) -> None:
    tensors["bert.pooler.dense.weight"] = np.zeros((16, 32), np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop, "has no bert.encoder.layer.1.output.dense.bias"),
        (add, "1 tensors that its config.json does not account for"),
        (cut, r"pooler.dense.weight in .* is \(16, 32\) where its config.json says \(32, 32\)"),
    ],
)
def test_weights_that_do_not_fit_the_config_are_refused(
    student: Path, change: Callable[[Tensors], None], reason: str
) -> None:
    """An adapter that nobody reads is a model that answers without what it has learnt."""
    change_weights(student, change)
    with pytest.raises(KdcError, match=reason):
        read_encoder(student, pair=False)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\x00" * 64])
def test_damaged_files_are_one_sentence(student: Path, name: str, content: bytes) -> None:
    (student / name).write_bytes(content)
    with pytest.raises(KdcError, match=name):
        read_encoder(student, pair=False)


@pytest.mark.parametrize("value", [0, -1, "12", None, True, 7])
def test_impossible_heads_are_refused(student: Path, value: object) -> None:
    """Heads that do not divide the width would cut it into unequal pieces."""
    change_config(student, num_attention_heads=value)
    with pytest.raises(KdcError):
        read_encoder(student, pair=False)
