"""Whatever answers texts, by one name: a model's folder, or the file that ships."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kdc.cli.phone_answers import phone_answers
from kdc.compress.class_heads import class_names
from kdc.compress.data.dataset import Split
from kdc.compress.data.labels import Known
from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_json
from kdc.compress.judge import folder_answers, known_of
from kdc.compress.models import PROBLEM_TYPES, Source, find_model, read_config
from kdc.compress.progress import Progress
from kdc.compress.task import Task
from kdc.export.phone_model import find_phone, is_phone

Answers = tuple[tuple[str, ...], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Subject:
    """A model that answers texts."""

    task: Task
    """What it was made for, as far as it tells."""
    pair: bool | None
    """Whether it reads pairs of texts; None for a model from elsewhere, which does not tell."""
    known: Known | None
    """What it answers with; None where its classes have no names."""
    answers: Callable[[Split, Progress], Answers]
    """Runs it over rows: its class names (empty for regression) and (N, C) logits in fp32."""


def find_subject(model: str, device: str, progress: Progress) -> Subject:
    """Find what `--model` names.

    Args:
        model: a model folder, a phone folder, an `.onnx` or a Hub id.
        device: where a model folder computes; what ships runs on the CPU.
        progress: shows what is fetched.

    Raises:
        KdcError: there is no such model, or it is damaged.
    """
    if is_phone(Path(model)):
        phone = find_phone(Path(model))
        known = Known(phone.task.kind, phone.task.labels)
        return Subject(phone.task, phone.task.pair, known, partial(phone_answers, phone))
    source = find_model(model, progress)
    task = _told(source)
    answers = partial(folder_answers, source, device=device)
    return Subject(
        task or _guessed(source), None if task is None else task.pair, known_of(source), answers
    )


def refuse_unlike(subject: Subject, name: str, pairs: bool) -> None:
    """Refuse rows of another number of texts than the model was made for.

    Args:
        subject: the model.
        name: how the user called it.
        pairs: whether the rows are pairs.

    Raises:
        KdcError: it reads pairs and the rows are single texts, or the other way round.
    """
    if subject.pair is None or subject.pair == pairs:
        return
    wants = "pairs of texts" if subject.pair else "single texts"
    hint = "give the second with --pair" if subject.pair else "leave --pair out"
    raise KdcError(f"{name} was made for {wants}: {hint}, or name another model")


def _told(source: Source) -> Task | None:
    """Return the task in a folder's manifest; None where there is none of kdc's."""
    path = source.folder / MANIFEST
    manifest = read_json(path) if path.is_file() else {}
    ours = str(manifest.get("format", "")).startswith("kdc.") and "task" in manifest
    return Task.from_dict(manifest["task"]) if ours else None


def _guessed(source: Source) -> Task:
    """Return what a configuration alone says of a model's task."""
    config = read_config(source.folder)
    labels = tuple(class_names(config))
    if len(labels) == 1:
        return Task(source.name, "regression", (), False, "pearson_spearman")
    if config.problem_type == PROBLEM_TYPES["multi-label"]:
        return Task(source.name, "multi-label", labels, False, "micro_f1")
    return Task(source.name, "classification", labels, False, "accuracy")
