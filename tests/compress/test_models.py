import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from kdc.compress.errors import KdcError
from kdc.compress.files import write_manifest
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
from kdc.compress.task import Task
from tests.families import FAMILIES, family_config, family_model, some_ids
from tests.tiny import save_model, tiny_data, tiny_encoder, tiny_model

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("template") / "model", tiny_model())


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A classifier's folder that a test may spoil."""
    return Path(shutil.copytree(template, tmp_path / "model"))


def edit(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def load(folder: Path, task: Task | None = None) -> Any:  # noqa: ANN401
    """Do everything that the commands do with a foreign folder."""
    source = find_model(str(folder), Silent())
    model = load_classifier(source, task)
    load_tokenizer(source)
    return model


def refused(folder: Path, task: Task | None = None) -> str:
    """Load a folder, which must end in one KdcError; return its sentence."""
    with pytest.raises(KdcError) as caught:
        load(folder, task)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert folder.name in sentence or str(folder) in sentence
    return sentence


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


# -- damaged and hostile weights ----------------------------------------------------------------


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


# -- hostile configurations ---------------------------------------------------------------------


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
