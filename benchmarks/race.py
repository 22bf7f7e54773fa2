"""How fast the tutorials' loop and ours go through rows, in CPU time of one process."""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from paired import Array, Side, take_turns
from training import (
    SHORT,
    full_batches,
    hold_used_tokens,
    load_teacher,
    make_learner,
    make_student,
)
from transformers import PreTrainedModel
from tutorial import naive_steps, padded

from kdc.compress.arrays import Index
from kdc.compress.data.dataset import Dataset
from kdc.compress.encode import Batches
from kdc.compress.evaluate import predict
from kdc.compress.examples import pick
from kdc.compress.families import max_length
from kdc.compress.models import find_model
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe
from kdc.compress.rows import Rows, tokenise
from kdc.compress.runtime import lowered, suited
from kdc.compress.signals import KeptTeacher
from kdc.compress.task import Task
from kdc.export.statistics import Ratio

GOAL_RATE = 25
OUR_STEPS = 20  # in a block, against one of theirs, so that both blocks take seconds
_THEIR_ROWS = 4096  # are padded, and drawn from


@dataclass(frozen=True)
class Speed:
    """Examples a CPU second of both loops."""

    student: str
    naive: float
    ours: float
    gain: Ratio
    """Ours by theirs."""
    gain_with_pass: Ratio
    """The same where ours also pays for the teacher's one pass over the rows."""
    control: Ratio
    """Ours by ours."""
    epochs: float
    """That share the teacher's pass."""
    rounds: int
    naive_rows: int
    """Rows in a block of theirs."""
    our_rows: int
    """Rows in a block of ours."""
    mean_length: float
    """Tokens of a row."""


def race(
    teacher_name: str, name: str, data: Dataset, recipe: Recipe, options: argparse.Namespace
) -> Speed:
    """Let both loops and the teacher's pass take turns on the CPU.

    Args:
        teacher_name: a model folder or `minilm`.
        name: the student.
        data: whose training rows are gone through.
        recipe: gives both their numbers; of one stage.
        options: `rounds` to measure.
    """
    source, training = find_model(teacher_name, Silent()), recipe.stages[0].train
    teacher = load_teacher(source, data.task)
    rows = tokenise(source, data, max_length(teacher), None, Silent())
    models = [make_student(teacher, name, rows, recipe, seed=0) for _ in range(2)]
    ours, ask = _our_blocks(teacher, models[0], rows, recipe, data.task)
    sides = [_their_block(teacher, models[1], rows, recipe), ours, ours, ask]
    cpu = take_turns(sides, options.rounds, seed=0, warm_up=1, settle=0).cpu_ms / 1e3
    size, many = training.batch, OUR_STEPS * training.batch
    naive_each, ours_each, again, asked = (cpu / [size, many, many, many]).T  # a row: (rounds,)
    return Speed(
        student=name,
        naive=1 / naive_each.mean(),
        ours=1 / ours_each.mean(),
        gain=ratio_of_sums(naive_each, ours_each),
        gain_with_pass=ratio_of_sums(naive_each, ours_each + asked / training.epochs),
        control=ratio_of_sums(ours_each, again),
        epochs=training.epochs,
        rounds=options.rounds,
        naive_rows=size,
        our_rows=many,
        mean_length=float(rows.train.lengths.mean()),
    )


def _their_block(
    teacher: PreTrainedModel, student: PreTrainedModel, rows: Rows, recipe: Recipe
) -> Side:
    """Return a step of the tutorials' loop."""
    few = pick(rows.train, np.random.default_rng(0).permutation(len(rows.train))[:_THEIR_ROWS])
    table = padded(few, rows.padding, rows.max_length)
    steps = naive_steps(teacher, student, table, recipe.stages[0], 10**6, seed=0)
    return lambda number: next(steps)


def _our_blocks(
    teacher: PreTrainedModel, student: PreTrainedModel, rows: Rows, recipe: Recipe, task: Task
) -> tuple[Side, Side]:
    """Return our steps from kept logits, and the teacher's pass over the rows of such a block."""
    stage, device = recipe.stages[0], torch.device("cpu")
    hold_used_tokens(student, rows)
    learner = make_learner(student, teacher, stage, task, device)
    kept = KeptTeacher(torch.randn(len(rows.train), task.outputs))
    batches = Batches(rows.train, rows.padding, device)
    order = full_batches(rows.train.lengths, stage.train.batch, seed=0)

    def block(number: int) -> list[Index]:
        return [order[(number * OUR_STEPS + step) % len(order)] for step in range(OUR_STEPS)]

    def learn(number: int) -> None:
        with suited(student, None, device, SHORT):
            for index in block(number):
                learner.step(batches.make(index), kept, stage.train.learning_rate)

    def ask(number: int) -> None:
        with lowered(teacher, device):
            some = pick(rows.train, np.concatenate(block(number)))
            predict(teacher, some, rows.padding, fast=True)

    return learn, ask


def ratio_of_sums(slow: Array, fast: Array, seed: int = 0, draws: int = 2000) -> Ratio:
    """Divide two sides' sums, with a bootstrap interval over whole rounds.

    Sums, unlike medians, are what an epoch takes: its few long batches count in full.

    Args:
        slow: (rounds,) times of the numerator.
        fast: (rounds,) times of the denominator, round by round.
        seed: gives the draws.
        draws: resamples of the rounds.
    """
    picks = np.random.default_rng(seed).integers(0, len(slow), (draws, len(slow)))
    resampled = slow[picks].sum(axis=1) / fast[picks].sum(axis=1)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Ratio(float(slow.sum() / fast.sum()), float(low), float(high))
