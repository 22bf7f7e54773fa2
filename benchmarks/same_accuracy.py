"""Whether our loop and the tutorials' train students that are equally good."""

import argparse
import math
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from paired import Array
from training import make_student
from transformers import PreTrainedModel
from tutorial import naive_steps, padded

from kdc.compress.data.dataset import Dataset
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples, pick
from kdc.compress.families import max_length
from kdc.compress.loop import train
from kdc.compress.models import find_model, load_classifier
from kdc.compress.objectives import build_objectives, widths_between
from kdc.compress.preflight import align_labels
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe
from kdc.compress.rows import Rows, tokenise
from kdc.compress.run import Leg, Run
from kdc.compress.signals import KeptTeacher

GOAL_POINTS = 0.3


@dataclass(frozen=True)
class Pairing:
    """The dev answers of students from both loops."""

    student: str
    steps: int
    rows: int
    naive_right: Array
    """(seeds, dev rows) whether the tutorials' student answers right."""
    our_right: Array
    """(seeds, dev rows) whether ours does."""

    @property
    def dev_rows(self) -> int:
        """Rows that both answered."""
        return int(self.our_right.shape[1])

    @property
    def naive(self) -> float:
        """Mean accuracy of theirs."""
        return float(self.naive_right.mean())

    @property
    def ours(self) -> float:
        """Mean accuracy of ours."""
        return float(self.our_right.mean())

    @property
    def by_seed(self) -> list[float]:
        """Ours less theirs, seed by seed."""
        return [float(value) for value in self._apart.mean(axis=1)]

    @property
    def row_error(self) -> float:
        """Standard error of the difference over the dev rows, each row's mean over the seeds."""
        each = self._apart.mean(axis=0)
        return float(each.std(ddof=1) / math.sqrt(len(each)))

    @property
    def seed_error(self) -> float | None:
        """Standard error of the difference over the seeds; None of one."""
        each = self._apart.mean(axis=1)
        return float(each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else None

    @property
    def _apart(self) -> Array:
        return self.our_right.astype(np.float64) - self.naive_right.astype(np.float64)


def train_both(
    teacher_name: str,
    name: str,
    data: Dataset,
    recipe: Recipe,
    options: argparse.Namespace,
    scratch: Path,
) -> Pairing:
    """Train a student with both loops, from one start, on the same rows, once a seed.

    Args:
        teacher_name: a folder with a fine-tuned teacher.
        name: the student.
        data: a task of classes.
        recipe: gives both their numbers; of one stage.
        options: `rows`, `epochs` and `seeds`.
        scratch: for checkpoints.

    Raises:
        KdcError: the teacher was not trained on these classes, or the task has none.
    """
    if data.task.kind != "classification":
        raise KdcError(f"{data.task.name} has no classes: accuracies are compared here")
    source = find_model(teacher_name, Silent())
    teacher = load_classifier(source)
    align_labels(teacher, data.task)
    rows = tokenise(source, data, max_length(teacher), None, Silent())
    recipe = recipe.with_options(options.epochs, None)
    right = []
    for seed in range(options.seeds):
        order = np.random.default_rng([seed, 7]).permutation(len(rows.train))
        few = pick(rows.train, order[: options.rows])
        start = make_student(teacher, name, rows, recipe, seed)
        ours = deepcopy(start)
        steps = _train_ours(teacher, ours, few, rows, data, recipe, seed, scratch / f"{seed}")
        naive, table = start, padded(few, rows.padding, rows.max_length)
        for _ in naive_steps(teacher, naive, table, recipe.stages[0], steps, seed):
            pass
        right.append([_right(model, rows) for model in (naive, ours)])
        found = ", ".join(f"{100 * each.mean():.2f}" for each in right[-1])
        print(f"{name}, seed {seed}: {steps} steps, theirs and ours on dev: {found}", flush=True)
    naive_right, our_right = (np.stack(side) for side in zip(*right, strict=True))
    return Pairing(name, steps, len(few), naive_right, our_right)


def _train_ours(
    teacher: PreTrainedModel,
    student: PreTrainedModel,
    few: Examples,
    rows: Rows,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    state: Path,
) -> int:
    """Train in place from kept logits; returns the number of steps."""
    stage = recipe.stages[0]
    kept = predict(teacher, few, rows.padding, fast=True)
    objectives = build_objectives(stage, widths_between(data.task, student.config, teacher.config))
    training = replace(stage.train, evaluations=1)
    teaching = KeptTeacher(torch.from_numpy(kept))
    leg = Leg(stage.name, objectives, teaching, few, training, keep_best=False)
    run = Run(
        model=student,
        legs=(leg,),
        task=data.task,
        dev=rows.dev,
        padding=rows.padding,
        seed=seed,
        device=torch.device("cpu"),
        state=state,
        identity={"seed": seed},
        recipe={},
    )
    train(run, Silent(), "ours", resume=False)
    return run.total


def _right(model: PreTrainedModel, rows: Rows) -> Array:
    """Return (N,) whether each dev row is answered right, in fp32."""
    logits = predict(model.eval(), rows.dev, rows.padding)
    return np.asarray(logits.argmax(axis=1) == rows.dev.labels)
