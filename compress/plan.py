"""What follows from a job's options and the teacher's sizes alone, before anything is trained."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel as Model

from kdc.compress.encode import plain_tokenizer, same_tokenizer
from kdc.compress.errors import KdcError
from kdc.compress.job import StudentJob
from kdc.compress.kept_tokens import KEEP, parse_vocab
from kdc.compress.layer_maps import SEARCH, layer_map
from kdc.compress.learner import Objectives
from kdc.compress.low_rank import check_rank
from kdc.compress.models import (
    Source,
    find_model,
    has_head,
    load_classifier,
    load_tokenizer,
    read_config,
    set_task,
)
from kdc.compress.more_rows import check_augmentation
from kdc.compress.objectives import (
    build_objectives,
    learns_unlabelled,
    needs,
    widths_between,
)
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe
from kdc.compress.signals import LOGITS
from kdc.compress.students import Shape, build_student, choose_shape, is_shape, shape_of


@dataclass(frozen=True)
class Plan:
    """A student of random weights, and what each stage teaches it."""

    shape: Shape
    student: Model
    objectives: tuple[Objectives, ...]
    """One a stage, fitted."""
    origin: Source | None = None
    """The general student that it goes on from; None where the recipe says how it starts."""


def make_plan(job: StudentJob, encoder: Source) -> Plan:
    """Build the student and its objectives: what cannot be is refused before anything is trained.

    Args:
        job: the options.
        encoder: the first teacher, fine-tuned or bare.

    Raises:
        KdcError: a student, recipe or layer map that does not fit the teacher's sizes.
    """
    recipe = job.recipe
    if recipe.for_corpus:
        raise KdcError(
            f"recipe {recipe.name} is for a corpus: give --corpus, or one of the recipes of a task"
        )
    if parse_vocab(job.vocab) != KEEP and needs(recipe.losses) - {LOGITS}:
        raise KdcError(
            f"the recipe {recipe.name} compares states token by token, so the student needs "
            "the teacher's tokens: use --vocab keep, or a recipe of soft labels"
        )
    check_augmentation(recipe.augment, encoder)
    config = read_config(encoder.folder)
    size, task = shape_of(config), job.data.task
    origin = find_origin(job.student, encoder)
    if origin is not None:
        shape = _shape_of_origin(job, origin)
    else:
        shape = choose_shape(
            job.student, size, heads=job.heads, ffn=job.ffn, activation=job.activation
        )
        _check_start(recipe, shape.layers, size.layers)
    set_task(config, task)
    torch.manual_seed(job.seed)
    if origin is not None:
        student = load_classifier(origin, task, recipe.dropout)
    else:
        student = build_student(config, shape, recipe.dropout)
    if job.embedding_rank is not None:
        wanted = parse_vocab(job.vocab)
        check_rank(student, job.embedding_rank, wanted if isinstance(wanted, int) else None)
    widths = widths_between(task, student.config, config)
    objectives = tuple(build_objectives(stage, widths) for stage in recipe.stages)
    fresh = recipe.start.weights == "random" if origin is None else not has_head(origin, task)
    if fresh and not any(map(trains_head, objectives)):
        raise KdcError(
            f"no stage of {recipe.name} trains the classifier, which starts at random: add a loss "
            "such as [losses.soft_labels]"
        )
    if recipe.augment.copies and not any(map(learns_unlabelled, recipe.stages)):
        raise KdcError(
            f"{recipe.name} makes new texts, which carry no label, and trains on none of them: set "
            "copies = 0 in [augment], or add a loss such as [losses.soft_labels] to a stage of "
            'rows = "all"'
        )
    return Plan(shape, student, objectives, origin)


def _check_start(recipe: Recipe, ours: int, theirs: int) -> None:
    """Raise KdcError for teacher's layers that a student of so many layers cannot start from."""
    if recipe.start.layers == SEARCH:
        return
    try:
        layer_map(recipe.start.layers, ours, theirs)
    except KdcError as error:
        raise KdcError(f"[start] of {recipe.name}: {error}") from error


def names_encoder(student: str) -> bool:
    """Whether a `--student` is the folder of an encoder to go on from.

    A shape's name is that shape, whatever lies in the folder one works in: who means a folder of
    such a name writes it as a path, `./4x256`.
    """
    return not is_shape(student) and Path(student).is_dir()


def find_origin(name: str, teacher: Source) -> Source | None:
    """Find the student that a student goes on from, where a folder is named.

    Args:
        name: the user's `--student`.
        teacher: whose tokens it has to have.

    Raises:
        KdcError: it is no model folder, or has another tokenizer than the teacher.
    """
    if not names_encoder(name):
        return None
    found = find_model(name, Silent())
    ours, theirs = (plain_tokenizer(load_tokenizer(each), 128) for each in (found, teacher))
    if not same_tokenizer(ours, theirs):
        raise KdcError(
            f"the student in {name} has another tokenizer than its teacher {teacher.name}: they "
            "must have the same tokens"
        )
    return found


def _shape_of_origin(job: StudentJob, origin: Source) -> Shape:
    shape = shape_of(read_config(origin.folder))
    for option in ("heads", "ffn", "activation"):
        wanted, has = getattr(job, option), getattr(shape, option)
        if wanted not in (None, has):
            raise KdcError(f"the student in {job.student} has {option} {has}: leave --{option} out")
    return shape


def trains_head(objectives: Objectives) -> bool:
    """Whether some losses train a student's answers, so that its score on dev means something."""
    return any(
        weight > 0 and (LOGITS in loss.needs or loss.unit == "labelled")
        for weight, loss in objectives.values()
    )
