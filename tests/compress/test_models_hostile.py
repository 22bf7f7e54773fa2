"""Weights and configurations that are damaged, or that somebody means harm with."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from kdc.compress.files import write_manifest
from kdc.compress.models import is_classifier, read_config
from tests.foreign import WEIGHTS, edit, load, refused
from tests.tiny import save_model, tiny_data, tiny_encoder, tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A classifier's folder that a test may spoil."""
    return save_model(tmp_path / "model", tiny_model())


# -- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_truncated_weights_are_called_damaged(folder: Path, share: float) -> None:
    """Bug: a broken download is reported as a bug of the loader."""
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: int(share * len(data))])
    assert "are damaged" in refused(folder) or "cut off" in refused(folder)


@pytest.mark.parametrize("content", ["", "version https://git-lfs.github.com/spec/v1\nsize 12\n"])
def test_a_pointer_instead_of_weights_is_named(folder: Path, content: str) -> None:
    """Bug: a repository cloned without Git LFS gives 'header too large'."""
    (folder / WEIGHTS).write_text(content)
    assert "Git LFS" in refused(folder)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def test_a_missing_encoder_tensor_is_refused_even_when_the_head_is_new(folder: Path) -> None:
    """Bug: transformers fills it with random numbers and says so in a warning only."""
    name = "bert.encoder.layer.1.output.dense.weight"
    rewrite(folder, lambda tensors: tensors.pop(name))
    assert name in refused(folder, tiny_data().task)


def test_a_missing_head_is_refused_unless_a_new_one_is_wanted(folder: Path) -> None:
    """Bug: a teacher answers with a random head."""
    rewrite(folder, lambda tensors: tensors.pop("classifier.weight"))
    assert "classifier.weight" in refused(folder)
    load(folder, tiny_data().task)


@pytest.mark.parametrize(
    "change", [{"hidden_size": 64}, {"vocab_size": 64}, {"num_hidden_layers": 3}]
)
def test_a_configuration_of_other_sizes_is_refused(folder: Path, change: dict[str, int]) -> None:
    """Bug: mismatched tensors are drawn anew without a word."""
    edit(folder / "config.json", **change)
    assert "do not fit its config.json" in refused(folder, tiny_data().task)


@pytest.mark.parametrize("bare", [False, True])
def test_layers_that_the_configuration_does_not_count_are_refused(
    folder: Path, tmp_path: Path, bare: bool
) -> None:
    """Bug: the upper layers of a teacher fall away without a word, and it knows nothing."""
    place = tiny_encoder(tmp_path / "bare") if bare else folder
    edit(place / "config.json", num_hidden_layers=1)
    assert "layers that it does not count" in refused(place, tiny_data().task)


def test_a_flipped_bit_in_a_folder_of_kdcs_own_is_named(folder: Path) -> None:
    """Bug: safetensors has no checksum, so a changed weight is trained from."""
    write_manifest(folder, "kdc.teacher/1", {"max_length": 16})
    load(folder)
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-100] ^= 4
    (folder / WEIGHTS).write_bytes(data)
    sentence = refused(folder)
    assert "teacher folder" in sentence
    assert f"{WEIGHTS} does not match its sha256" in sentence


def test_a_link_in_a_folder_of_kdcs_own_is_refused(folder: Path) -> None:
    """Bug: a folder that was checked is changed from outside through a link."""
    write_manifest(folder, "kdc.student/1", {})
    (folder / WEIGHTS).rename(folder / "elsewhere")
    (folder / WEIGHTS).symlink_to("elsewhere")
    assert "symbolic link" in refused(folder)


# -- configurations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["[]", "", "{", '"bert"', '{"a":' * 100_000, "\ud800"],
    ids=["list", "empty", "open", "text", "deep", "surrogate"],
)
def test_a_configuration_that_is_no_json_object_is_named(folder: Path, content: str) -> None:
    """Bug: a JSONDecodeError or RecursionError."""
    (folder / "config.json").write_text(content, encoding="utf-8", errors="surrogatepass")
    assert "config.json" in refused(folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"model_type": "evil"},
        {"model_type": None},
        {"model_type": ["bert"]},
        {"model_type": "clip"},
        {"model_type": "t5"},
        {"hidden_size": "32"},
        {"hidden_size": {"a": [1]}},
        {"hidden_size": -4},
        {"hidden_size": 0},
        {"num_attention_heads": 0},
        {"num_attention_heads": 5},
        {"hidden_act": "nope"},
        {"hidden_act": {"x": 1}},
        {"id2label": [1, 2]},
        {"id2label": {"x": 1}},
        {"pad_token_id": 1_000_000},
        {"num_labels": 10**9, "id2label": None},
        {"vocab_size": 10**12},
        {"vocab_size": 10**7},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**7},
        {"intermediate_size": 10**7},
        {"max_position_embeddings": 10**7},
    ],
    ids=str,
)
def test_a_hostile_configuration_ends_in_a_sentence_and_at_once(
    folder: Path, fields: dict[str, object]
) -> None:
    """Bug: a traceback, or a model that takes all memory before anything is checked."""
    edit(folder / "config.json", **fields)
    start = time.monotonic()
    refused(folder, tiny_data().task)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "architectures", [5, ["__builtins__"], ["BertConfig", 7], [None], "Bert", None]
)
def test_architectures_that_name_no_model_make_no_classifier(
    folder: Path, architectures: object
) -> None:
    """Bug: TypeError while asking whether the teacher has a head."""
    edit(folder / "config.json", architectures=architectures)
    assert not is_classifier(read_config(folder))


def test_no_code_beside_a_model_is_ever_run(folder: Path) -> None:
    """Bug: `auto_map` makes transformers import a file that came with the weights."""
    canary = folder / "canary_ran"
    (folder / "canary.py").write_text(f"import pathlib; pathlib.Path({str(canary)!r}).touch()\n")
    classes = {"AutoConfig": "canary.C", "AutoModelForSequenceClassification": "canary.M"}
    edit(folder / "config.json", auto_map={**classes, "AutoTokenizer": ["canary.T", None]})
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["canary.T", "canary.T"]})
    load(folder)
    edit(folder / "config.json", model_type="canary")
    refused(folder)
    assert not canary.exists()


def test_no_field_of_a_configuration_can_choose_kernels_weights_or_methods(folder: Path) -> None:
    """Bug: `attn_implementation` fetches and runs a kernel from the Hub (as in CVE-2026-4372)."""
    kernel = "some-org/some-kernel"
    fields = {name: kernel for name in ("attn_implementation", "experts_implementation")}
    fields |= {f"_{name}_internal": kernel for name in fields}
    edit(
        folder / "config.json",
        **fields,
        transformers_weights="../other.safetensors",
        per_layer_config={"0": {"hidden_size": 3}},
        attribute_map={"hidden_size": "vocab_size"},
        quantization_config={"quant_method": "bitsandbytes"},
        to_dict="not a method",
        text_config={"attn_implementation": kernel, "inner": [{"auto_map": {"AutoConfig": "x.Y"}}]},
    )
    model = load(folder)
    assert model.config._attn_implementation in ("sdpa", "eager")
    assert kernel not in json.dumps(model.config.to_dict())
    assert model.config.text_config == {"inner": [{}]}


def test_the_names_of_classes_are_data(folder: Path) -> None:
    """Bug: a class named like a dropped field disappears from the model."""
    names = {0: "_private", 1: "dtype", 2: "auto_map", 3: "save_pretrained"}
    edit(
        folder / "config.json",
        id2label={str(index): name for index, name in names.items()},
        label2id={name: index for index, name in names.items()},
    )
    config = read_config(folder)
    assert config.id2label == names
    assert config.label2id == {name: index for index, name in names.items()}
