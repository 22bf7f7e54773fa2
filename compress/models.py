"""Loading encoders that somebody else made: any family, safetensors only, no remote code."""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256 as digest_of
from os.path import isfile
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.class_heads import class_names, class_places, suit_head
from kdc.compress.errors import KdcError
from kdc.compress.families import ACTIVATIONS, set_dropout
from kdc.compress.files import MANIFEST, read_json, read_manifest, sha256
from kdc.compress.minilm import NAME, minilm_folder
from kdc.compress.progress import Progress
from kdc.compress.task import Kind, Task
from kdc.compress.tf_checkpoint import converted, is_tf_checkpoint
from kdc.compress.weights import check_weights, open_weights, weight_files

_HUB_FILES = ["config.json", "model*.safetensors", "model.safetensors.index.json"]
_HUB_FILES += ["tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model"]
_HUB_FILES += ["added_tokens.json"]
# what a config.json could name code, kernels or files with; the weights' type is ours to choose
_DROPPED = ["auto_map", "attn_implementation", "experts_implementation", "attribute_map"]
_DROPPED += ["transformers_weights", "per_layer_config", "quantization_config"]
_DROPPED += ["torch_dtype", "dtype"]
PROBLEM_TYPES: dict[Kind, str] = {
    "classification": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}
"""What transformers calls the kinds of tasks."""
_NEAR = 0.75  # how much of a name has to be that one's to have been meant
_LARGEST = 10_000_000  # of any whole number in a config.json


@dataclass(frozen=True)
class Source:
    """A folder with an encoder in it."""

    name: str
    """How the user called it."""
    folder: Path
    digest: str
    """sha256 over its configuration, weights and tokenizer files."""

    @property
    def max_length(self) -> int | None:
        """Tokens that kdc cut its texts to; None for a model from elsewhere."""
        manifest = self.folder / MANIFEST
        length = read_json(manifest).get("max_length") if manifest.is_file() else None
        return length if isinstance(length, int) else None

    @property
    def is_ours(self) -> bool:
        """Whether kdc has trained it."""
        return self.max_length is not None


def find_model(name: str, progress: Progress) -> Source:
    """Find an encoder by the name a user gives: `minilm`, a local folder or a Hub id.

    Raises:
        KdcError: no such folder, no weights, weights only as a pickle, or no network for a Hub id.
    """
    if name == NAME:
        folder = minilm_folder(progress)
    elif Path(name).is_dir():
        folder = Path(name)
        folder = converted(folder, progress) if is_tf_checkpoint(folder) else folder
    elif isfile(name):
        raise KdcError(f"{name} is a file: name the folder that it lies in, {Path(name).parent}")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith("/"):
        raise KdcError(f"there is no folder {name}: name a model folder, a Hub id or minilm")
    else:
        folder = _download(name)
    _check_folder(folder)
    return Source(name, folder, _folder_digest(folder))


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # its errors differ between versions and transports
        raise KdcError(
            f"'{name}' is no folder here and could not be fetched from the Hub "
            f"({type(error).__name__}): {_advice(name)}"
        ) from error


def _advice(name: str) -> str:
    """Say what may help where a model is neither here nor to be had from the Hub."""
    from huggingface_hub import constants

    if get_close_matches(name.casefold(), [NAME], cutoff=_NEAR):
        return f"did you mean {NAME}?"
    cache = Path(constants.HF_HUB_CACHE)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"its cache {cache} cannot be made ({error.strerror}): set HF_HOME to another folder"
    return "check the name and the network; offline, name a local folder or minilm"


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise KdcError(f"{folder} is no model folder: it has no config.json")
    manifest = folder / MANIFEST
    form = str(read_json(manifest).get("format", "")) if manifest.is_file() else ""
    if form.startswith(("kdc.teacher/", "kdc.student/", "kdc.encoder/")):
        read_manifest(folder, form, form.split("/")[0].removeprefix("kdc.") + " folder")
    if weight_files(folder):
        return
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.ckpt*")):
        raise KdcError(
            f"{folder} holds its weights only as a pickle, which can run code when it is opened: "
            "convert it to model.safetensors on a machine you trust"
        )
    if (folder / "onnx").is_dir() and not manifest.is_file():
        raise KdcError(
            f"{folder} holds onnx/ as a phone folder does, but its {MANIFEST} is missing: make it "
            "again with kdc export"
        )
    raise KdcError(f"{folder} has no weights: model.safetensors is missing")


def _folder_digest(folder: Path) -> str:
    kinds, skip = (".json", ".safetensors", ".txt", ".model"), (MANIFEST, "metrics.json")
    paths = sorted(path for path in folder.iterdir() if path.suffix in kinds and path.is_file())
    parts = [f"{path.name} {sha256(path)}" for path in paths if path.name not in skip]
    return digest_of("\n".join(parts).encode()).hexdigest()


def read_config(folder: Path) -> Config:
    """Read `config.json`, reduced to plain fields: nothing in it can name code to run.

    Raises:
        KdcError: the file is damaged, or of a family that transformers does not know.
    """
    fields = read_json(folder / "config.json")
    family = fields.pop("model_type", None)
    for name, value in fields.items():
        if type(value) is int and abs(value) > _LARGEST:  # transformers makes lists of some lengths
            raise KdcError(f"{folder / 'config.json'} sets {name} to {value}: no model has that")
        if name in ACTIVATIONS and not isinstance(value, str):  # found only when the model runs
            raise KdcError(f"{folder / 'config.json'} sets {name} to {value}: it is no name")
    try:
        config: Config = AutoConfig.for_model(str(family), **_plain(fields))
    except Exception as error:  # whatever a hostile file makes its constructor raise
        raise KdcError(
            f"{folder / 'config.json'} describes no encoder that transformers can build "
            f"(model_type {family!r})"
        ) from error
    return config


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Leave out, at every depth, what is private, could load something, or hides a method."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: item if key == "label2id" else _plain(item)
        for key, item in value.items()
        if not (key.startswith("_") or key in _DROPPED or callable(getattr(Config, key, None)))
    }


def is_classifier(config: Config) -> bool:
    """Whether the checkpoint was saved with a sequence-classification head.

    optimum's TasksManager infers it from the class that the configuration names.
    """
    import transformers
    from optimum.exporters.tasks import TasksManager

    names = config.architectures if isinstance(config.architectures, list) else []
    for name in names:
        found = getattr(transformers, str(name), None)
        if isinstance(found, type) and issubclass(found, Model):
            try:
                return bool(TasksManager.infer_task_from_model(found) == "text-classification")
            except (ValueError, KeyError):
                return str(name).endswith("ForSequenceClassification")
    return False


def set_task(config: Config, task: Task) -> None:
    """Write the task's outputs into a configuration."""
    names = task.labels or ("score",)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    config.problem_type = PROBLEM_TYPES[task.kind]


def load_classifier(source: Source, task: Task | None = None, dropout: float = 0.0) -> Model:
    """Load an encoder with a classification head, in fp32, on the CPU, in evaluation mode.

    Args:
        source: where it lies.
        task: gives it a head for this task, a new one unless its own is for the same classes,
            whose order is then the task's; None keeps the head as it is.
        dropout: probability for hidden states and attention while it is trained.

    Raises:
        KdcError: the weights are damaged, do not fit the configuration or lack encoder tensors.
    """
    config = read_config(source.folder)
    set_dropout(config, dropout)
    theirs = class_names(config)
    if task is not None:
        set_task(config, task)
    model, info = open_weights(AutoModelForSequenceClassification, source, config)
    encoder = f"{model.base_model_prefix}."

    def new(key: str) -> bool:
        return task is not None and (not key.startswith(encoder) or "pooler" in key)

    check_weights(source, model, info, new)
    if task is not None and task.labels and len(theirs) == len(task.labels):
        suit_head(model, class_places(task.labels, theirs))
    return model.eval()


def has_head(source: Source, task: Task) -> bool:
    """Whether `load_classifier` takes a folder's own head for a task, and draws no new one."""
    config = read_config(source.folder)
    names = class_names(config)
    same = len(names) == task.outputs and None not in class_places(task.labels, names)
    return same and is_classifier(config)


def load_tokenizer(source: Source) -> Any:  # noqa: ANN401 - transformers' classes differ by version
    """Load the encoder's fast tokenizer.

    It cuts the end off long texts, also where its own setting is to cut the beginning: every app
    cuts the end, and what is trained here ships with this tokenizer.

    Raises:
        KdcError: there is none, or it has no fast version.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source.folder,
            config=read_config(source.folder),
            local_files_only=True,
            trust_remote_code=False,
            use_fast=True,
        )
        json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # the Rust library raises bare Exception for damaged files
        raise KdcError(
            f"{source.folder} has no tokenizer that can be loaded: tokenizer.json is missing or "
            "damaged"
        ) from error
    # transformers makes up an empty vocabulary where there is no file of one
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise KdcError(
            f"the tokenizer in {source.folder} knows no words: put the model's tokenizer.json there"
        )
    tokenizer.truncation_side = "right"
    return tokenizer
