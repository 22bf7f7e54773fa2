"""A teacher and its student to train: what the benchmarks of training steps set up alike."""

from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from kdc.compress.arrays import Index
from kdc.compress.compact import compact
from kdc.compress.encode import epoch_order
from kdc.compress.learner import Learner
from kdc.compress.models import Source, is_classifier, load_classifier, read_config
from kdc.compress.objectives import build_objectives, widths_between
from kdc.compress.recipe import Recipe
from kdc.compress.rows import Rows
from kdc.compress.stages import Stage
from kdc.compress.start import start_from_teacher
from kdc.compress.students import Shape, build_student, choose_shape, shape_of
from kdc.compress.task import Task

SHORT = 64  # tokens of the longest text of the tasks here
SST2 = Path(__file__).parents[2] / "shared" / "data" / "glue" / "SST-2"


def default_data() -> str:
    """Return SST-2 where it lies beside the repository, else the built-in task."""
    return str(SST2) if SST2.is_dir() else "phone-commands"


def read_shape(name: str) -> Shape:
    """Read LAYERSxHIDDEN as BERT's own proportions: heads of 64, an FFN of four times the width."""
    layers, hidden = (int(size) for size in name.split("x"))
    return Shape(layers, hidden, max(1, hidden // 64), 4 * hidden)


def load_teacher(source: Source, task: Task) -> PreTrainedModel:
    """Load a classifier with its head, or a bare encoder with a new one, in evaluation mode."""
    return load_classifier(source, None if is_classifier(read_config(source.folder)) else task)


def random_bert(name: str, outputs: int) -> PreTrainedModel:
    """Build a BERT of random weights and the uncased vocabulary, in evaluation mode."""
    shape = read_shape(name)
    config = BertConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
        num_labels=outputs,
    )
    return BertForSequenceClassification(config).eval()


def make_student(
    teacher: PreTrainedModel, name: str, rows: Rows, recipe: Recipe, seed: int
) -> PreTrainedModel:
    """Build a student and start it as the recipe says."""
    torch.manual_seed(seed)
    shape = choose_shape(name, shape_of(teacher.config))
    student = build_student(teacher.config, shape, recipe.dropout)
    if recipe.start.weights == "teacher":
        start_from_teacher(student, teacher, recipe.start.layers, rows.train, rows.padding)
    return student


def make_learner(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    stage: Stage,
    task: Task,
    device: torch.device,
) -> Learner:
    """Put a student into the step that `kdc distill` takes; for its pace, inside `suited`."""
    objectives = build_objectives(stage, widths_between(task, student.config, teacher.config))
    return Learner(student, objectives, stage.train, device)


def hold_used_tokens(student: PreTrainedModel, rows: Rows) -> None:
    """Leave the student the embedding rows that occur, as the loop does while it trains."""
    used = np.unique(np.append(rows.train.tokens, rows.padding))
    compact(student, torch.from_numpy(used).long())


def full_batches(lengths: Index, size: int, seed: int) -> list[Index]:
    """Return an epoch's batches but for those of fewer rows."""
    return [index for index in epoch_order(lengths, size, seed, 0) if len(index) == size]
