import shutil
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.models import (
    Source,
    find_model,
    is_classifier,
    load_classifier,
    load_tokenizer,
    read_config,
    set_task,
)
from kdc.compress.progress import Silent
from tests.families import FAMILIES, family_config, family_model, some_ids
from tests.foreign import WEIGHTS, edit, load, refused
from tests.tiny import save_model, tiny_data, tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A classifier's folder that a test may spoil."""
    return save_model(tmp_path / "model", tiny_model())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_with_the_head_it_has_and_with_a_new_one(
    family: str, tmp_path: Path
) -> None:
    """Bug: a family's names are unknown, or its head is taken for a lost part of the encoder."""
    model = family_model(family)
    source = Source(family, save_model(tmp_path / "model", model), "")
    ids = some_ids(2, 8)
    same = load_classifier(source)
    assert is_classifier(same.config)
    assert torch.equal(same(input_ids=ids).logits, model(input_ids=ids).logits)
    task = tiny_data().task
    other = load_classifier(source, task)
    assert other(input_ids=ids).logits.shape == (2, 4)
    assert other.config.id2label == dict(enumerate(task.labels))
    ours, theirs = other.get_input_embeddings().weight, model.get_input_embeddings().weight
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bare_encoder_of_every_family_takes_a_head_but_is_no_classifier(
    family: str, tmp_path: Path
) -> None:
    """Bug: missing poolers and heads of a bare encoder count as missing weights."""
    bare = family_model(family).base_model
    folder = tmp_path / "model"
    save_model(folder, bare)
    source = find_model(str(folder), Silent())
    assert not is_classifier(read_config(folder))
    assert load_classifier(source, tiny_data().task)(input_ids=some_ids(1, 5)).logits.shape == (
        1,
        4,
    )
    with pytest.raises(KdcError, match=r"do not fit its config\.json"):
        load_classifier(source)


def test_a_model_comes_in_fp32_and_without_dropout(folder: Path) -> None:
    """Bug: half-precision weights are trained as such, or answers differ from run to run."""
    model = tiny_model().half()
    save_model(folder, model)
    loaded = load(folder)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert not loaded.training
    assert loaded.config.hidden_dropout_prob == 0


def test_the_digest_is_of_the_model_and_not_of_its_place(folder: Path, tmp_path: Path) -> None:
    """Bug: kept answers of another teacher are used again, or the same teacher is run twice."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    first, second = (find_model(str(place), Silent()).digest for place in (folder, copy))
    assert first == second
    edit(copy / "tokenizer_config.json", truncation_side="left")
    assert find_model(str(copy), Silent()).digest != first


# -- what is no model ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "~/nowhere", "a/b/c", "here/"])
def test_what_looks_like_a_path_is_never_asked_of_the_hub(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a mistyped path turns into a download, or into an error about the network."""
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("asked the Hub")
    )
    with pytest.raises(KdcError, match="there is no folder"):
        find_model(name, Silent())


@pytest.mark.parametrize("offline", [True, False])
def test_a_hub_id_without_a_network_ends_quickly_and_says_what_works(
    offline: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bug: minutes of silent retries, then a traceback of the HTTP library."""

    def no_network(*_: object, **__: object) -> None:
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(KdcError, match="offline, name a local folder or minilm"):
        find_model("some-org/some-model", Silent())
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("name", "cache", "told"),
    [
        ("minillm", "hub", r"minillm.* could not be fetched .*: did you mean minilm\?$"),
        ("MiniLM-L6", "hub", r"did you mean minilm\?$"),
        ("org/model", "file/hub", r"its cache .*hub cannot be made \(Not a .*: set HF_HOME"),
    ],
)
def test_what_keeps_a_model_from_being_fetched_is_told(
    name: str, cache: str, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bug: the network is to be checked, and it is the name or the home folder that is wrong."""
    (tmp_path / "file").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / cache))
    with pytest.raises(KdcError, match=told):
        find_model(name, Silent())


def test_a_model_fetched_before_is_found_without_a_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bug: the Hub's cache, whose files are symbolic links, is refused or fetched again."""
    cache = tmp_path / "hub" / "models--some-org--some-model"
    snapshot = cache / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        (snapshot / path.name).symlink_to(path)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    source = find_model("some-org/some-model", Silent())
    assert source.folder == snapshot
    load_classifier(source)


@pytest.mark.parametrize(
    ("missing", "words"),
    [("config.json", "no config.json"), (WEIGHTS, "has no weights: model.safetensors is missing")],
)
def test_a_folder_without_a_model_says_what_is_missing(
    folder: Path, missing: str, words: str
) -> None:
    """Bug: 'no file named pytorch_model.bin found' sends the user to look for a pickle."""
    (folder / missing).unlink()
    assert words in refused(folder)


def test_a_phone_folder_without_its_manifest_is_told_from_a_model_without_weights(
    folder: Path,
) -> None:
    """Bug: "model.safetensors is missing" of a folder that never had one."""
    (folder / WEIGHTS).unlink()
    (folder / "onnx").mkdir()
    assert "holds onnx/ as a phone folder does, but its manifest.json is missing" in refused(folder)


def test_a_file_is_told_from_a_hub_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a file that is there "could not be fetched from the Hub"."""
    monkeypatch.chdir(folder.parent)
    name = f"{folder.name}/{WEIGHTS}"
    with pytest.raises(
        KdcError, match=f"{name} is a file: name the folder that it lies in, {folder.name}"
    ):
        find_model(name, Silent())


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "model.ckpt"])
def test_weights_that_are_a_pickle_are_refused_unopened(folder: Path, name: str) -> None:
    """Bug: opening a stranger's pickle runs what it says."""
    canary = folder / "canary"
    pickle = f"cos\nsystem\n(S'touch {canary}'\ntR."
    (folder / WEIGHTS).unlink()
    (folder / name).write_text(pickle)
    assert "only as a pickle" in refused(folder)
    assert not canary.exists()


def test_links_that_lead_nowhere_and_folders_are_no_weights(folder: Path) -> None:
    """Bug: a broken checkout ends in FileNotFoundError or IsADirectoryError."""
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("nowhere")
    assert "has no weights" in refused(folder)
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()
    assert "has no weights" in refused(folder)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_task_is_written_into_the_configuration(kind: Any) -> None:  # noqa: ANN401
    """Bug: a student with one output says that it has two classes."""
    config, task = family_config("bert"), tiny_data(kind).task
    set_task(config, task)
    assert config.num_labels == task.outputs
    assert list(config.id2label.values()) == list(task.labels or ("score",))
    assert {config.id2label[index] for index in config.label2id.values()} == set(config.label2id)
    expected = {"classification": "single_label_classification", "regression": "regression"}
    assert config.problem_type == expected[kind]


# -- tokenizers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": "1.0", "trunc', '{"model": 5}'])
def test_a_damaged_tokenizer_is_named(folder: Path, content: str) -> None:
    """Bug: the Rust library's bare Exception."""
    (folder / "tokenizer.json").write_text(content)
    assert "no tokenizer that can be loaded" in refused(folder)


def test_a_model_without_a_tokenizer_is_refused(folder: Path) -> None:
    """Bug: transformers makes up a tokenizer of special tokens: every word is unknown to it."""
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink()
    said = refused(folder)  # transformers 4.57 finds it out by itself
    assert "knows no words" in said or "no tokenizer that can be loaded" in said


@pytest.mark.parametrize("kept", ["tokenizer.json", "vocab.txt"])
def test_one_file_of_a_vocabulary_is_enough(folder: Path, kept: str) -> None:
    """Bug: older checkpoints, which carry vocab.txt alone, cannot be used."""
    for name in {"tokenizer.json", "tokenizer_config.json", "vocab.txt"} - {kept}:
        (folder / name).unlink()
    tokenizer = load_tokenizer(Source("x", folder, ""))
    assert tokenizer.convert_ids_to_tokens(tokenizer("wake me")["input_ids"])[1:-1] == [
        "wake",
        "me",
    ]


def test_random_damage_of_a_tokenizer_never_ends_in_a_traceback(folder: Path) -> None:
    """Bug: a panic of the Rust library, which no `except Exception` catches."""
    rng = np.random.default_rng(0)
    whole = np.frombuffer((folder / "tokenizer.json").read_bytes(), dtype=np.uint8)
    for _ in range(40):
        spoilt = whole.copy()
        spoilt[rng.integers(0, len(whole), 2)] = rng.integers(32, 127, 2)
        (folder / "tokenizer.json").write_bytes(spoilt.tobytes())
        try:
            load_tokenizer(Source("x", folder, ""))
        except KdcError as error:
            assert "tokenizer" in str(error)
