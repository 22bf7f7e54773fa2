"""The weights that are compared: student folders, given or made without training.

Speed does not depend on what weights say, so shapes stand in with BERT's own initialisation;
fidelity is only told of the offline teacher and of folders that somebody trained.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from kdc.compress.artifact import read_student
from kdc.compress.data.dataset import Dataset
from kdc.compress.evaluate import predict
from kdc.compress.metrics import score
from kdc.compress.models import (
    Source,
    find_model,
    is_classifier,
    load_classifier,
    read_config,
    set_task,
)
from kdc.compress.progress import Silent
from kdc.compress.recipe import load_recipe
from kdc.compress.report import Report
from kdc.compress.rows import tokenise
from kdc.compress.student_folder import write_student
from kdc.compress.students import Shape, build_student, choose_shape, shape_of
from kdc.compress.task import Task
from kdc.export.quiet import quiet

MAX_LENGTH = 128
_TRAIN_ROWS = 512  # enough to calibrate with; nothing is trained


@dataclass(frozen=True)
class Weights:
    """A student folder to export."""

    name: str
    folder: Path
    shape: Shape
    trained: bool
    """Whether its answers mean anything."""


def find_weights(name: str, teacher: str, data: Dataset, out: Path, seed: int) -> Weights:
    """Return a student folder.

    Args:
        name: a student folder; `minilm` for the teacher's own weights; or a name of
            `kdc list students` or LAYERSxHIDDEN, then perhaps `,HEADS,FFN,ACTIVATION`.
        teacher: a model folder or `minilm`; one without a head gets a random one.
        data: the task whose dev rows are answered.
        out: where a folder is made.
        seed: gives the random weights.
    """
    folder = Path(name)
    if folder.is_dir():
        read_student(folder)
        return Weights(folder.name, folder, shape_of(read_config(folder)), trained=True)
    source = find_model(teacher, Silent())
    with quiet():
        model = _model(name, source, data.task, seed)
    _write(out, model, source, data, name)
    return Weights(name, out, shape_of(model.config), trained=name == "minilm")


def _model(name: str, source: Source, task: Task, seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = read_config(source.folder)
    if name == "minilm":
        return load_classifier(source, None if is_classifier(config) else task)
    set_task(config, task)
    return build_student(config, _shape(name, shape_of(config)), dropout=0.0)


def _shape(name: str, teacher: Shape) -> Shape:
    size, *more = name.split(",")
    if not more:
        return choose_shape(size, teacher)
    heads, ffn, activation = more
    return choose_shape(size, teacher, heads=int(heads), ffn=int(ffn), activation=activation)


def _write(out: Path, model: PreTrainedModel, source: Source, data: Dataset, name: str) -> None:
    """Write what `kdc distill` would, with the model's own answers on dev as its reference."""
    train = replace(
        data.train,
        texts=data.train.texts[:_TRAIN_ROWS],
        pairs=data.train.pairs and data.train.pairs[:_TRAIN_ROWS],
        labels=data.train.labels[:_TRAIN_ROWS],
    )
    few = replace(data, train=train, test=None)
    rows = tokenise(source, few, MAX_LENGTH, MAX_LENGTH, Silent())
    logits = predict(model.eval(), rows.dev, rows.padding)
    graded = score(data.task.metric, logits, np.asarray(rows.dev.labels))
    report = Report({"teacher": graded, "student": graded}, {}, 1.0, [])
    digest = hashlib.sha256(name.encode()).hexdigest()
    identity = {"teacher": name, "teacher_sha256": digest, "data_sha256": data.digest()}
    write_student(out, model, rows, data.task, logits, report, load_recipe("hinton"), identity)
