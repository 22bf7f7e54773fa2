"""What follows from a job's options and the teacher's sizes alone, before anything is trained."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.job import StudentJob
from kdc.compress.kept_tokens import KEEP, parse_vocab
from kdc.compress.layer_maps import SEARCH, layer_map
from kdc.compress.learner import Objectives
from kdc.compress.low_rank import check_rank
from kdc.compress.models import Source, read_config, set_task
from kdc.compress.more_rows import check_augmentation
from kdc.compress.objectives import build_objectives, needs, widths_between
from kdc.compress.signals import LOGITS
from kdc.compress.students import Shape, build_student, choose_shape, shape_of


@dataclass(frozen=True)
class Plan:
    """A student of random weights, and what each stage teaches it."""

    shape: Shape
    student: Model
    objectives: tuple[Objectives, ...]
    """One a stage, fitted."""


def make_plan(job: StudentJob, encoder: Source) -> Plan:
    """Build the student and its objectives: what cannot be is refused before anything is trained.

    Args:
        job: the options.
        encoder: the first teacher, fine-tuned or bare.

    Raises:
        KdcError: a student, recipe or layer map that does not fit the teacher's sizes.
    """
    recipe = job.recipe
    if parse_vocab(job.vocab) != KEEP and needs(recipe.losses) - {LOGITS}:
        raise KdcError(
            f"the recipe {recipe.name} compares states token by token, so the student needs "
            "the teacher's tokens: use --vocab keep, or a recipe of soft labels"
        )
    check_augmentation(recipe.augment, encoder)
    config = read_config(encoder.folder)
    size, task = shape_of(config), job.data.task
    shape = choose_shape(job.student, size, heads=job.heads, ffn=job.ffn, activation=job.activation)
    if recipe.start.layers != SEARCH:
        layer_map(recipe.start.layers, shape.layers, size.layers)
    set_task(config, task)
    torch.manual_seed(job.seed)
    student = build_student(config, shape, recipe.dropout)
    if job.embedding_rank is not None:
        check_rank(student, job.embedding_rank)
    widths = widths_between(task, student.config, config)
    objectives = tuple(build_objectives(stage, widths) for stage in recipe.stages)
    if recipe.start.weights == "random" and not any(map(trains_head, objectives)):
        raise KdcError(
            f"no stage of {recipe.name} trains the classifier, which starts at random: add a loss "
            "such as [losses.soft_labels]"
        )
    return Plan(shape, student, objectives)


def trains_head(objectives: Objectives) -> bool:
    """Whether some losses train a student's answers, so that its score on dev means something."""
    return any(
        weight > 0 and (LOGITS in loss.needs or loss.unit == "labelled")
        for weight, loss in objectives.values()
    )
