"""Whatever answers texts, by one name: a model's folder, or the file that ships."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.cli.options import USUAL
from kdc.cli.phone_answers import phone_answers
from kdc.compress.class_heads import class_names, unnamed
from kdc.compress.data.aside import Trained
from kdc.compress.data.dataset import Split
from kdc.compress.data.labels import Known
from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_json
from kdc.compress.judge import folder_answers, kind_of
from kdc.compress.metrics import USUAL_METRICS
from kdc.compress.models import Source, find_model, read_config
from kdc.compress.progress import Progress
from kdc.compress.task import Task
from kdc.export.phone_model import find_phone, is_phone

Answers = tuple[tuple[str, ...], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Answerer:
    """A model that answers texts."""

    task: Task
    """What it was made for, as far as it tells."""
    pair: bool | None
    """Whether it reads pairs of texts; None for a model from elsewhere, which does not tell."""
    answers: Callable[[Split, Progress], Answers]
    """Runs it over rows: its class names (empty for regression) and (N, C) logits in fp32."""
    trained: Trained | None = None
    """What it was trained on; None for a model from elsewhere, which does not tell."""

    @property
    def known_by_name(self) -> Known | None:
        """What it answers with; None where its classes have no names."""
        placeholders = self.task.labels and unnamed(self.task.labels)
        return None if placeholders else Known(self.task.kind, self.task.labels)

    @property
    def known(self) -> Known | None:
        """The same, with what it was trained on."""
        known = self.known_by_name
        return known and replace(known, trained=self.trained)


def find_answerer(model: str, device: str | None, progress: Progress) -> Answerer:
    """Find what `--model` names.

    Args:
        model: a model folder, a phone folder, an `.onnx` or a Hub id.
        device: where a model folder computes; None for the best there is.
        progress: shows what is fetched.

    Raises:
        KdcError: there is no such model, it is damaged, or a device is chosen for what ships, which
            runs on the CPU.
    """
    if is_phone(Path(model)):
        if device is not None:
            raise KdcError("--device is for model folders: this one runs on the CPU")
        phone = find_phone(Path(model))
        answers, trained = partial(phone_answers, phone), _trained(phone.manifest, phone.task)
        return Answerer(phone.task, phone.task.pair, answers, trained)
    if model == USUAL and not Path(model).exists():
        raise KdcError(f"there is no folder {model}: run kdc distill, or name a model with --model")
    source = find_model(model, progress)
    by_folder = partial(folder_answers, source, device=device or "auto")
    manifest = _manifest(source)
    if "task" not in manifest:
        return Answerer(_guessed(source), None, by_folder)
    task = Task.from_dict(manifest["task"])
    return Answerer(task, task.pair, by_folder, _trained(manifest, task))


def _manifest(source: Source) -> dict[str, Any]:
    """Return a folder's manifest; nothing where there is none of kdc's."""
    path = source.folder / MANIFEST
    manifest = read_json(path) if path.is_file() else {}
    return manifest if str(manifest.get("format", "")).startswith("kdc.") else {}


def _trained(manifest: dict[str, Any], task: Task) -> Trained | None:
    """Return what a manifest says of the data that its model was trained on."""
    parent = manifest.get("parent")
    digest = parent.get("data") if isinstance(parent, dict) else None
    return Trained(task, digest) if isinstance(digest, str) else None


def _guessed(source: Source) -> Task:
    """Return what a configuration alone says of a model's task."""
    config = read_config(source.folder)
    kind = kind_of(source.name, config)
    labels = () if kind == "regression" else tuple(class_names(config))
    return Task(source.name, kind, labels, False, USUAL_METRICS[kind])
