"""Loading encoders that somebody else made: any family, safetensors only, no remote code."""

import json
from dataclasses import dataclass
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
from transformers import PretrainedConfig as Config
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.families import set_dropout
from kdc.compress.files import MANIFEST, read_json, read_manifest, sha256
from kdc.compress.minilm import minilm_folder
from kdc.compress.progress import Progress
from kdc.compress.task import Task

_HUB_FILES = ["config.json", "model*.safetensors", "model.safetensors.index.json"]
_HUB_FILES += ["tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "*.model"]


@dataclass(frozen=True)
class Source:
    """A folder with an encoder in it."""

    name: str
    """How the user called it."""
    folder: Path
    digest: str
    """sha256 over its configuration, weights and tokenizer files."""


def find_model(name: str, progress: Progress) -> Source:
    """Find an encoder by the name a user gives: `minilm`, a local folder or a Hub id.

    Raises:
        KdcError: no such folder, no weights, weights only as a pickle, or no network for a Hub id.
    """
    if name == "minilm":
        folder = minilm_folder(progress)
    elif Path(name).is_dir():
        folder = Path(name)
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
            f"({type(error).__name__}): check the name and the network; "
            "offline, name a local folder or minilm"
        ) from error


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise KdcError(f"{folder} is no model folder: it has no config.json")
    manifest = folder / MANIFEST
    form = str(read_json(manifest).get("format", "")) if manifest.is_file() else ""
    if form.startswith(("kdc.teacher/", "kdc.student/")):
        read_manifest(folder, form, form.split("/")[0].removeprefix("kdc.") + " folder")
    if any(folder.glob("model*.safetensors")):
        return
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.ckpt*")):
        raise KdcError(
            f"{folder} holds its weights only as a pickle, which can run code when it is opened: "
            "convert it to model.safetensors on a machine you trust"
        )
    raise KdcError(f"{folder} has no weights: model.safetensors is missing")


def _folder_digest(folder: Path) -> str:
    names = [p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".txt", ".model")]
    skip = (MANIFEST, "metrics.json")
    parts = [f"{path.name} {sha256(path)}" for path in sorted(names) if path.name not in skip]
    return digest_of("\n".join(parts).encode()).hexdigest()


def read_config(folder: Path) -> Config:
    """Read `config.json`, reduced to plain fields: nothing in it can name code to run.

    Raises:
        KdcError: the file is damaged, or of a family that transformers does not know.
    """
    fields = read_json(folder / "config.json")
    family = fields.pop("model_type", None)
    drop = ("auto_map", "torch_dtype", "dtype", "quantization_config")
    plain = {k: v for k, v in fields.items() if not k.startswith("_") and k not in drop}
    try:
        config: Config = AutoConfig.for_model(str(family), **plain)
    except Exception as error:  # whatever a hostile file makes its constructor raise
        raise KdcError(
            f"{folder / 'config.json'} describes no encoder that transformers can build "
            f"(model_type {family!r})"
        ) from error
    return config


def is_classifier(config: Config) -> bool:
    """Whether the checkpoint was saved with a sequence-classification head.

    optimum's TasksManager infers it from the class that the configuration names.
    """
    import transformers
    from optimum.exporters.tasks import TasksManager

    for name in config.architectures or []:
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
    single = "single_label_classification"
    config.problem_type = "regression" if task.kind == "regression" else single


def load_classifier(source: Source, task: Task | None = None, dropout: float = 0.0) -> Model:
    """Load an encoder with a classification head, in fp32, on the CPU, in evaluation mode.

    Args:
        source: where it lies.
        task: gives it a new head for this task; None keeps the head it has.
        dropout: probability for hidden states and attention while it is trained.

    Raises:
        KdcError: the weights are damaged, do not fit the configuration or lack encoder tensors.
    """
    config = read_config(source.folder)
    set_dropout(config, dropout)
    if task is not None:
        set_task(config, task)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            source.folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise KdcError(
            f"the weights in {source.folder} are damaged ({error}): fetch them again"
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise KdcError(f"{source.folder} cannot be loaded as an encoder: {reason}") from error
    _check_weights(source, model, info, may_lack_head=task is not None)
    return model.eval()


def _check_weights(source: Source, model: Model, info: Any, *, may_lack_head: bool) -> None:  # noqa: ANN401
    wrong = {str(key) for key in info["missing_keys"]}
    wrong |= {str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"]}
    base = f"{model.base_model_prefix}."
    encoder = {key for key in wrong if key.startswith(base) and "pooler" not in key}
    lost = sorted(encoder if may_lack_head else wrong)
    if lost:
        raise KdcError(
            f"the weights in {source.folder} do not fit its config.json: {len(lost)} tensors are "
            f"missing or of another shape, the first is {lost[0]}"
        )


def load_tokenizer(source: Source) -> Any:  # noqa: ANN401 - transformers' classes differ by version
    """Load the encoder's fast tokenizer.

    Raises:
        KdcError: there is none, or it has no fast version.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source.folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
        json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # the Rust library raises bare Exception for damaged files
        raise KdcError(
            f"{source.folder} has no tokenizer that can be loaded: tokenizer.json is missing or "
            "damaged"
        ) from error
    return tokenizer
