"""What a run of the loop is made of: a model, and the stages that train it."""

import math
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel as Model

from kdc.compress.examples import Examples
from kdc.compress.feed import Stream
from kdc.compress.learner import Objectives
from kdc.compress.parallel import Crew
from kdc.compress.rerun import without_paths
from kdc.compress.runtime import suited
from kdc.compress.score_scale import ScoreScale
from kdc.compress.signals import Teacher
from kdc.compress.slices import without_texts
from kdc.compress.stages import NONE, Training
from kdc.compress.task import Task

History = list[dict[str, float]]


@dataclass(frozen=True)
class Leg:
    """A recipe's stage with everything that it is trained with."""

    name: str
    objectives: Objectives
    """Name -> weight and objective, already fitted."""
    teacher: Teacher
    rows: Examples | Stream
    """A table's, or a corpus's sequences."""
    training: Training
    keep_best: bool = True
    """Keep the weights that do best on dev; False keeps the last, where dev says nothing yet."""

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        if isinstance(self.rows, Examples):
            return math.ceil(len(self.rows) / self.training.batch)
        return self.rows.steps

    @property
    def longest(self) -> int:
        """Tokens of the longest row, or more."""
        if isinstance(self.rows, Examples):
            return int(self.rows.lengths.max())
        return self.rows.longest

    @property
    def total(self) -> int:
        """Steps in the stage."""
        wanted = math.ceil(self.training.epochs * self.per_epoch)
        return max(1, wanted, self.training.min_steps)

    @property
    def rounded_from(self) -> int:
        """The step from which on the model is trained as it will be rounded; `total` for none."""
        if self.training.quantize == NONE:
            return self.total
        return self.total - math.ceil(self.training.quantize_share * self.total)

    def rate(self, step: int) -> float:
        """Return the learning rate: up linearly over the warm-up, then down linearly to 0."""
        warm = math.ceil(self.training.warmup * self.total)
        if step < warm:
            return self.training.learning_rate * (step + 1) / warm
        return self.training.learning_rate * (self.total - step) / max(1, self.total - warm)

    def units(self, steps: int) -> int:
        """Return how far so many steps are: in steps, or in tokens of a corpus."""
        if isinstance(self.rows, Examples):
            return steps
        return round(steps * self.rows.tokens / self.rows.steps)


class HeldOut(Protocol):
    """What judges a model that answers no task."""

    def judge(self, model: Model, leg: Leg, padding: int, team: Crew) -> dict[str, float]:
        """Return what a row of the history says of a model; all processes work along."""


@dataclass(frozen=True)
class Run:
    """What one run of the loop is made of."""

    model: Model
    """The model to train, on the CPU."""
    legs: tuple[Leg, ...]
    """One after the other; each starts from the weights that the one before it kept."""
    task: Task
    dev: Examples | HeldOut | None
    """What judges the model: a task's dev rows, or a corpus's held-out sequences."""
    padding: int
    """The padding token's id."""
    seed: int
    device: torch.device
    state: Path
    """Folder of the run's checkpoints."""
    identity: dict[str, Any]
    """What the run is of, apart from its recipe: the `[run]` of `recipe.toml`."""
    recipe: dict[str, Any]
    """How it is trained."""
    calibration: Examples | None = None
    """Rows that the exporter will look at; for training in few bits, which looks at them too."""
    embedding_rank: int | None = None
    """Rank of the token embedding while it is trained; None for a plain table."""
    compiled: bool = False
    """Whether the encoders of the model and its teacher are compiled."""

    @property
    def scale(self) -> ScoreScale | None:
        """The scale of the scores that are learned; None for another kind of task."""
        rows = self.legs[0].rows
        if self.task.kind != "regression" or not isinstance(rows, Examples):
            return None
        return ScoreScale.of(rows.labels)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides the run's numbers; a state of another fingerprint is refused.

        Of files it is their digests: the same ones may be called by another path tomorrow. Controls
        are trained when the run is over: who is tired of waiting for one goes on without.
        """
        scale = {"score_scale": asdict(self.scale)} if self.scale else {}
        ground = {k: v for k, v in without_paths(self.identity).items() if k != "controls"}
        return {**ground, **scale, "recipe": self.recipe}

    @property
    def total(self) -> int:
        """Steps in the run."""
        return sum(leg.total for leg in self.legs)

    def light(self) -> "Run":
        """Return the run as other processes need it, in few bytes."""
        legs = tuple(
            replace(leg, rows=without_texts(leg.rows)) if isinstance(leg.rows, Examples) else leg
            for leg in self.legs
        )
        dev = without_texts(self.dev) if isinstance(self.dev, Examples) else self.dev
        seen = self.calibration and without_texts(self.calibration)
        return replace(self, legs=legs, dev=dev, calibration=seen)

    def suited(self, leg: Leg) -> AbstractContextManager[None]:
        """Return a block in which a stage's model and teacher are suited to the device."""
        teacher = getattr(leg.teacher, "model", None)
        return suited(self.model, teacher, self.device, leg.longest, compiled=self.compiled)

    def title(self, stage: int, what: str) -> str:
        """Return what to call a stage of a run that is called `what`."""
        leg = self.legs[stage]
        unit = "" if isinstance(leg.rows, Examples) else ", tokens"
        if len(self.legs) == 1:
            return what + unit
        return f"{what}, {leg.name} ({stage + 1} of {len(self.legs)}){unit}"

    def seed_of(self, stage: int) -> int:
        """Return a stage's own seed; a run of one stage has the run's."""
        if not stage:
            return self.seed
        return int(np.random.SeedSequence([self.seed, stage]).generate_state(1)[0])


def own_seed(seed: int, rank: int, step: int = 0) -> int:
    """Return the seed of a process's dropout from a step on; a lone one has the stage's."""
    if not rank and not step:
        return seed
    return int(np.random.SeedSequence([seed, rank, step]).generate_state(1)[0])
