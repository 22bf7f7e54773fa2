"""The control that no teacher helped: the same student from random weights, on hard labels."""

import json
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification
from transformers import PretrainedConfig as Config

from kdc.compress.examples import calibration_rows
from kdc.compress.families import set_dropout
from kdc.compress.job import StudentJob
from kdc.compress.kept import Answers, kept_answers, tokens_digest
from kdc.compress.loop import train
from kdc.compress.objectives import build_objectives, widths_between
from kdc.compress.progress import Progress
from kdc.compress.recipe import SCRATCH, Recipe, load_recipe
from kdc.compress.rows import Rows
from kdc.compress.run import Leg, Run
from kdc.compress.runtime import choose_device, moved, precision
from kdc.compress.signals import NoTeacher
from kdc.compress.teachers import answers
from kdc.compress.workspace import Workspace


@dataclass(frozen=True)
class Control:
    """What the control has in common with the student that it is compared with."""

    config: Config
    """The student's: its shape, its vocabulary, the task."""
    rows: Rows
    """The data in the student's tokens."""
    steps: int
    """How many steps the student was trained for."""
    batch: int
    """Rows in each of them."""
    accumulate: int = 1
    """Parts that they were learned in, where memory is short."""


def scratch_answers(
    job: StudentJob, control: Control, place: Workspace, progress: Progress
) -> Answers:
    """Train the control and return its (N, C) logits on dev and, where there is one, test.

    They are kept, so that runs of the same shape, seed and number of steps share one control.

    Raises:
        KdcError: the run was stopped (its state is kept), or a loss was not finite.
    """
    rows, recipe = control.rows, _recipe(control)
    config = deepcopy(control.config)
    set_dropout(config, recipe.dropout)
    control = replace(control, config=config)
    identity = _identity(job, control)
    splits = [rows.dev, *([rows.test] if rows.test else [])]

    def ask() -> Answers:
        run = _run(job, control, recipe, identity, place)
        train(run, progress, "training the control from scratch", resume=job.resume)
        with moved(run.model, run.device):
            return answers(run.model, rows, progress, "the control")

    count = sum(map(len, splits))
    name = f"scratch {json.dumps({**identity, 'recipe': recipe.as_dict()}, sort_keys=True)}"
    return kept_answers(place.kept, name, "the control from scratch", count, ask, progress)


def _recipe(control: Control) -> Recipe:
    """Return the recipe `scratch` for exactly that many steps, of as many rows."""
    recipe = load_recipe(SCRATCH)
    stage = recipe.stages[0]
    steps, batch, parts = control.steps, control.batch, control.accumulate
    train = replace(stage.train, epochs=0.01, min_steps=steps, batch=batch, accumulate=parts)
    return replace(recipe, stages=(replace(stage, train=train),))


def _identity(job: StudentJob, control: Control) -> dict[str, Any]:
    rows = control.rows
    splits = {"train": rows.train, "dev": rows.dev, **({"test": rows.test} if rows.test else {})}
    return {
        "tokens": {name: tokens_digest(split) for name, split in splits.items()},
        "data_sha256": job.data.digest(),
        "task": asdict(job.data.task),
        "config": control.config.to_diff_dict(),
        "embedding_rank": job.embedding_rank,
        "seed": job.seed,
        "precision": precision(choose_device(job.device)),
    }


def _run(
    job: StudentJob, control: Control, recipe: Recipe, identity: dict[str, Any], place: Workspace
) -> Run:
    config, stage, rows = control.config, recipe.stages[0], control.rows
    torch.manual_seed(job.seed)
    model = AutoModelForSequenceClassification.from_config(config)
    widths = widths_between(job.data.task, config, config)
    objectives = build_objectives(stage, widths)
    return Run(
        model=model,
        legs=(Leg(stage.name, objectives, NoTeacher(), rows.train, stage.train),),
        task=job.data.task,
        dev=rows.dev,
        padding=rows.padding,
        seed=job.seed,
        device=choose_device(job.device),
        state=place.control_state,
        identity=identity,
        recipe=recipe.as_dict(),
        calibration=calibration_rows(rows.train),
        embedding_rank=job.embedding_rank,
    )
