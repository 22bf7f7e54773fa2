"""The loop: every model here, teacher or student, is trained by it."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.checkpoint import Checkpoints, State
from kdc.compress.compact import expand
from kdc.compress.encode import Batches, epoch_order
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.interrupts import Interrupts
from kdc.compress.learner import Learner, Objectives
from kdc.compress.low_rank import hold
from kdc.compress.metrics import score
from kdc.compress.progress import Progress
from kdc.compress.recipe import Training
from kdc.compress.signals import Teacher
from kdc.compress.task import Task

_SAVE_SECONDS = 60.0
_LOOK_STEPS = 50  # steps between looks at the loss: a look waits for the device
_RUNNING = "running"


@dataclass(frozen=True)
class Run:
    """What one run of the loop is made of."""

    model: Model
    """The model to train, on the CPU."""
    objectives: Objectives
    """Name -> weight and objective, already fitted."""
    teacher: Teacher
    task: Task
    train: Examples
    dev: Examples
    padding: int
    """The padding token's id."""
    training: Training
    seed: int
    device: torch.device
    state: Path
    """Folder of the run's checkpoints."""
    fingerprint: dict[str, Any]
    """Everything that decides the run's numbers; a state of another fingerprint is refused."""
    embedding_rank: int | None = None
    """Rank of the token embedding while it is trained; None for a plain table."""

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return math.ceil(len(self.train) / self.training.batch)

    @property
    def total(self) -> int:
        """Steps in the run."""
        wanted = math.ceil(self.training.epochs * self.per_epoch)
        return max(1, wanted, self.training.min_steps)


def train(run: Run, progress: Progress, what: str, *, resume: bool) -> list[dict[str, float]]:
    """Train `run.model` in place and leave it with the weights that did best on dev.

    Args:
        run: the model, its data and its objectives.
        progress: shows how far it is.
        what: what to call the work.
        resume: go on from the kept state, where there is one; the weights end the same, bit for
            bit, as those of a run that was never stopped (on one machine's CPU).

    Returns:
        A row an evaluation: step, mean loss of each objective since the last one, dev score.

    Raises:
        KdcError: a loss that is not finite, or Ctrl-C (the state is kept).
    """
    # -- the state ------------------------------------------------------------------------------
    torch.manual_seed(run.seed)
    hold(run.model, _used(run), run.embedding_rank, torch.from_numpy(run.train.tokens))
    learner = Learner(run.model, run.objectives, run.training, run.device)
    running = torch.zeros(len(run.objectives), device=run.device)
    checkpoints = Checkpoints(run.state, run.fingerprint)
    state, best = State(), dict[str, Tensor]()
    if resume and checkpoints.exists():
        state, tensors, best = checkpoints.load()
        running = tensors.pop(_RUNNING).to(run.device)
        learner.restore(tensors)
        progress.say(f"{what}: going on at step {state.step:,} of {run.total:,}")
    else:
        checkpoints.clear()
    batches = Batches(run.train, run.padding, run.device)
    every = math.ceil(run.total / run.training.evaluations)
    order, epoch, saved = epoch_order(run.train.lengths, run.training.batch, run.seed, 0), 0, _now()

    with progress.bar(what, run.total, state.step) as advance, Interrupts() as interrupts:
        while state.step < run.total:
            # -- a step -------------------------------------------------------------------------
            if state.step // run.per_epoch != epoch:
                epoch = state.step // run.per_epoch
                order = epoch_order(run.train.lengths, run.training.batch, run.seed, epoch)
            batch = batches.make(order[state.step % run.per_epoch])
            running += learner.step(batch, run.teacher, _rate(run, state.step))
            state.step += 1
            advance(1)

            # -- now and then, look -------------------------------------------------------------
            due = state.step % every == 0 or state.step == run.total
            save = due or interrupts.asked or _now() - saved > _SAVE_SECONDS
            if save or state.step % _LOOK_STEPS == 0:
                _refuse_broken(run, running, state.step)

            # -- evaluate -----------------------------------------------------------------------
            improved = due and _evaluate(run, state, running)
            if due:
                running = torch.zeros_like(running)
            if improved:
                best = learner.model_tensors()

            # -- save ---------------------------------------------------------------------------
            if save:
                tensors = {**learner.tensors(), _RUNNING: running}
                checkpoints.save(state, tensors, best if improved else None)
                saved = _now()
            if interrupts.asked:
                raise KdcError(
                    f"stopped at step {state.step:,} of {run.total:,}; the state is kept: run the "
                    "same command with --resume to go on"
                )
    run.model.load_state_dict(best)
    expand(run.model)
    run.model.to("cpu").eval()
    return state.history


def _used(run: Run) -> Tensor:
    """Return the token ids that occur, sorted: the only rows of the embedding that can learn."""
    rows = (run.train.tokens, run.dev.tokens, [run.padding])
    return torch.from_numpy(np.unique(np.concatenate(rows)).astype(np.int64))


def _rate(run: Run, step: int) -> float:
    """Return the learning rate: up linearly over the warm-up, then down linearly to 0."""
    warm = math.ceil(run.training.warmup * run.total)
    if step < warm:
        return run.training.learning_rate * (step + 1) / warm
    return run.training.learning_rate * (run.total - step) / max(1, run.total - warm)


def _refuse_broken(run: Run, running: Tensor, step: int) -> None:
    values = running.tolist()
    for name, value in zip(run.objectives, values, strict=True):
        if not math.isfinite(value):
            raise KdcError(
                f"the loss {name} became {value} by step {step:,}: lower the learning rate; "
                "the last good state is kept"
            )


def _evaluate(run: Run, state: State, running: Tensor) -> bool:
    """Score dev, write the row of the history, and say whether this is the best model so far."""
    logits = predict(run.model, run.dev, run.padding)
    value = score(run.task.metric, logits, run.dev.labels).value
    steps = state.step - (int(state.history[-1]["step"]) if state.history else 0)
    means = (running / max(1, steps)).tolist()
    losses = dict(zip(run.objectives, means, strict=True))
    state.history.append({"step": state.step, **losses, "dev": value})
    if value <= state.best_value:
        return False
    state.best_value, state.best_step = value, state.step
    return True


def _now() -> float:
    return time.monotonic()
