"""From a recipe's losses to objectives that fit two models."""

from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

from transformers import PretrainedConfig as Config

from kdc.compress.errors import KdcError, unknown
from kdc.compress.families import Sizes
from kdc.compress.learner import Objectives
from kdc.compress.losses import LOSSES
from kdc.compress.losses.objective import Objective, Widths
from kdc.compress.parallel import processes
from kdc.compress.signals import gives, refusal
from kdc.compress.stages import ALL, Stage
from kdc.compress.task import Task


def widths_between(
    task: Task, student: Config, teacher: Config, *, masked_lm: bool = False
) -> Widths:
    """Read from two configurations what objectives have to know of the two models.

    Args:
        task: what both answer.
        student: the student's configuration.
        teacher: the teacher's.
        masked_lm: whether both have heads for masked words, and none for classification.
    """
    ours, theirs = Sizes(student), Sizes(teacher)
    theirs_give = gives(teacher, masked_lm=masked_lm)
    less = student if theirs_give - gives(student, masked_lm=masked_lm) else teacher
    return Widths(
        task,
        student_layers=ours.layers,
        student_hidden=ours.hidden,
        teacher_layers=theirs.layers,
        teacher_hidden=theirs.hidden,
        student_heads=ours.heads,
        teacher_heads=theirs.heads,
        student_tokens=int(student.vocab_size),
        teacher_tokens=int(teacher.vocab_size),
        gives=gives(student, masked_lm=masked_lm) & theirs_give,
        family=less.model_type,
    )


def build_objectives(stage: Stage, widths: Widths) -> Objectives:
    """Build a stage's objectives, each with its weight, fitted to a student and a teacher.

    Raises:
        KdcError: an unknown loss or option (with the nearest names), one that does not fit, or
            one that asks for what the two models cannot give.
    """
    objectives: Objectives = {}
    for name, options in stage.losses.items():
        if name not in LOSSES:
            raise unknown(f"loss in {stage.name}", name, LOSSES)
        own = {key: value for key, value in options.items() if key != "weight"}
        known = [key for key in signature(LOSSES[name]).parameters]
        for key in own:
            if key not in known:
                raise unknown(f"option of {name} in {stage.name}", key, [*known, "weight"])
        if name not in stage.used:
            continue
        try:
            loss = _fitted(name, own, widths)
            _refuse_parts(loss, stage.train.accumulate)
        except KdcError as error:  # some losses say their own name, and layer maps nobody's
            said = str(error).removeprefix(f"{name}: ")
            raise KdcError(f"{stage.name}: {name}: {said}") from error
        objectives[name] = (float(options.get("weight", 1.0)), loss)
    return objectives


def _fitted(name: str, options: Mapping[str, Any], widths: Widths) -> Objective:
    """Build a loss of known options, fitted to two models."""
    try:
        loss = LOSSES[name](**options)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key} = {value!r}" for key, value in options.items())
        raise KdcError(f"an option is of the wrong type ({given}): {error}") from error
    lacking = loss.needs - widths.gives
    if lacking:
        raise KdcError(refusal(widths.family, lacking))
    loss.fit(widths)
    return loss


def _refuse_parts(loss: Objective, accumulate: int) -> None:
    """Raise KdcError for a loss of whole batches where a batch is learned in parts."""
    if loss.unit != "batch" or accumulate * processes() == 1:
        return
    parts = f"in {accumulate} parts (accumulate)" if accumulate > 1 else "by several processes"
    raise KdcError(
        "it compares all texts of a batch with each other, and here a batch is learned "
        f"{parts}: leave these out, or use soft_labels"
    )


def learns_unlabelled(stage: Stage) -> bool:
    """Whether rows without labels are asked for, and teach a stage of known losses anything."""
    return stage.rows == ALL and any(LOSSES[name].unit != "labelled" for name in stage.used)


def needs(recipe_losses: Iterable[str]) -> frozenset[str]:
    """Return everything that some losses ask a teacher for.

    Raises:
        KdcError: an unknown loss (with the nearest names).
    """
    names = list(recipe_losses)
    for name in names:
        if name not in LOSSES:
            raise unknown("loss", name, LOSSES)
    return frozenset().union(*(LOSSES[name].needs for name in names))
