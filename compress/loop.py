"""The loop: every model here, teacher or student, is trained by it, stage after stage."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.checkpoint import Checkpoints, State, Tensors
from kdc.compress.compact import expand
from kdc.compress.encode import Batches, epoch_order
from kdc.compress.errors import Stopped
from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.interrupts import Interrupts
from kdc.compress.learner import Learner, Objectives
from kdc.compress.low_rank import hold
from kdc.compress.metrics import score
from kdc.compress.parallel import Crew, crew, end_quietly
from kdc.compress.progress import Progress, Silent
from kdc.compress.running import Losses
from kdc.compress.signals import Teacher
from kdc.compress.slices import make_slice, without_texts
from kdc.compress.stages import NONE, Training
from kdc.compress.task import Task

_SAVE_SECONDS = 60.0
_LOOK_STEPS = 50  # steps between looks at the loss: a look waits for the device
_RUNNING = "running"
History = list[dict[str, float]]


@dataclass(frozen=True)
class Leg:
    """A recipe's stage with everything that it is trained with."""

    name: str
    objectives: Objectives
    """Name -> weight and objective, already fitted."""
    teacher: Teacher
    rows: Examples
    training: Training
    keep_best: bool = True
    """Keep the weights that do best on dev; False keeps the last, where dev says nothing yet."""

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return math.ceil(len(self.rows) / self.training.batch)

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


@dataclass(frozen=True)
class Run:
    """What one run of the loop is made of."""

    model: Model
    """The model to train, on the CPU."""
    legs: tuple[Leg, ...]
    """One after the other; each starts from the weights that the one before it kept."""
    task: Task
    dev: Examples
    padding: int
    """The padding token's id."""
    seed: int
    device: torch.device
    state: Path
    """Folder of the run's checkpoints."""
    fingerprint: dict[str, Any]
    """Everything that decides the run's numbers; a state of another fingerprint is refused."""
    embedding_rank: int | None = None
    """Rank of the token embedding while it is trained; None for a plain table."""

    @property
    def total(self) -> int:
        """Steps in the run."""
        return sum(leg.total for leg in self.legs)


def train(run: Run, progress: Progress, what: str, *, resume: bool) -> History:
    """Train `run.model` in place and leave it with the weights that its last stage kept.

    Args:
        run: the model, its data and its objectives.
        progress: shows how far it is.
        what: what to call the work.
        resume: go on from the kept state, where there is one; the weights end the same, bit for
            bit, as those of a run that was never stopped (on one machine's CPU).

    Returns:
        A row an evaluation: stage (from 1), step in it, mean loss of each objective since the last
        one, and the dev score where the stage keeps its best.

    Raises:
        KdcError: a loss that is not finite, or Ctrl-C (`Stopped`: the state is kept).
    """
    largest = max((leg.rows for leg in run.legs), key=len)
    hold(run.model, _used(run), run.embedding_rank, torch.from_numpy(largest.tokens))
    checkpoints = Checkpoints(run.state, run.fingerprint)
    state, tensors, best = State(), Tensors(), Tensors()
    if resume and checkpoints.exists():
        state, tensors, best = checkpoints.load()
        leg = run.legs[state.stage]
        title = _title(run, state.stage, what)
        progress.say(f"{title}: going on at step {state.step:,} of {leg.total:,}")
    else:
        checkpoints.clear()
    with crew(run.device) as team:
        team.call(_train_legs, _light(run), checkpoints, state, (tensors, best), Silent(), what)
        _train_legs(team, run, checkpoints, state, (tensors, best), progress, what)
    expand(run.model)
    run.model.to("cpu").eval()
    return state.history


def _train_legs(
    team: Crew,
    run: Run,
    checkpoints: Checkpoints,
    state: State,
    kept: tuple[Tensors, Tensors],
    progress: Progress,
    what: str,
) -> None:
    """Train every stage from `state` on; each process of a crew does, and the first one saves."""
    for stage in range(state.stage, len(run.legs)):
        _train_leg(team, run, stage, state, checkpoints, kept, progress, what)
        if stage + 1 < len(run.legs):
            state.next_stage()
            kept = ({}, {})


def _train_leg(
    team: Crew,
    run: Run,
    stage: int,
    state: State,
    checkpoints: Checkpoints,
    kept: tuple[Tensors, Tensors],
    progress: Progress,
    what: str,
) -> None:
    """Train one stage from its start, or from `kept`: the run's tensors and its best model's."""
    # -- the state ------------------------------------------------------------------------------
    leg, title, seed = run.legs[stage], _title(run, stage, what), _dice(run.seed, stage)
    learner, losses = _learner(team, run, leg, state, seed), Losses(leg.objectives, run.device)
    tensors, best = kept
    if tensors:
        losses.running = tensors.pop(_RUNNING).to(run.device)
        _restore(learner, tensors, _own_dice(seed, team.rank, state.step), progress, title)
    batches = Batches(leg.rows, run.padding, run.device)
    every = math.ceil(leg.total / leg.training.evaluations)
    epoch, saved = -1, _now()

    with (
        progress.bar(title, leg.total, state.step) as advance,
        Interrupts(patient=team.size > 1) as interrupts,
    ):
        while state.step < leg.total:
            # -- a step -------------------------------------------------------------------------
            if state.step == leg.rounded_from:  # what was best until now was not rounded
                learner.begin_rounding(leg.rows, run.padding, pair=run.task.pair)
                state.forget_best()
            if state.step // leg.per_epoch != epoch:
                epoch = state.step // leg.per_epoch
                order = epoch_order(leg.rows.lengths, leg.training.batch, seed, epoch)
            batch = make_slice(batches, order[state.step % leg.per_epoch], team)
            losses.add(learner.step(batch, leg.teacher, leg.rate(state.step)), state.step)
            state.step += 1
            advance(1)

            # -- now and then, look -------------------------------------------------------------
            due = state.step % every == 0 or state.step == leg.total
            asked, late = team.any(interrupts.asked, _now() - saved > _SAVE_SECONDS)
            save = due or asked or late
            if save or state.step % _LOOK_STEPS == 0:
                losses.refuse_broken(title, kept=checkpoints.exists())

            # -- evaluate -----------------------------------------------------------------------
            improved = False
            if due:
                with learner.averaged():
                    improved = _evaluate(team, run, leg, state, losses)
                    best = learner.model_tensors() if improved else best

            # -- save ---------------------------------------------------------------------------
            if save:
                tensors = {**learner.tensors(), _RUNNING: losses.running}
                if team.rank == 0:
                    checkpoints.save(state, tensors, best if improved else None)
                saved = _now()
            if asked:
                end_quietly()
                raise Stopped(
                    f"{title} stopped at step {state.step:,} of {leg.total:,}; the state is kept: "
                    "run the same command with --resume to go on"
                )
    learner.settle(best if leg.keep_best else None)


def _learner(team: Crew, run: Run, leg: Leg, state: State, seed: int) -> Learner:
    """Return a stage's learner, ready for the tensors of a state or for the first step."""
    torch.manual_seed(_own_dice(seed, team.rank))
    learner = Learner(run.model, leg.objectives, leg.training, run.device, team)
    if state.step > leg.rounded_from:
        learner.begin_rounding(None, run.padding, pair=run.task.pair)
    return learner


def _restore(learner: Learner, tensors: Tensors, seed: int, progress: Progress, title: str) -> None:
    """Give a learner its state back; where other processes kept it, their dice fit nobody."""
    before, now = learner.restore(tensors), learner.crew.size
    if before != now:
        torch.manual_seed(seed)
        progress.say(
            f"{title}: the state was kept by {before} and is resumed by {now} processes: dropout "
            "is drawn anew from here, so the weights will not be the same bit for bit"
        )


def _evaluate(team: Crew, run: Run, leg: Leg, state: State, losses: Losses) -> bool:
    """Write the row of the history; where dev counts, say whether this is the best model so far."""
    number, last = state.stage + 1, state.history[-1] if state.history else None
    before = int(last["step"]) if last and last["stage"] == number else 0
    row: dict[str, float] = {"stage": number, "step": state.step}
    row |= losses.take(state.step - before)
    state.history.append(row)
    if not leg.keep_best:
        return False
    logits = predict(run.model, run.dev, run.padding, crew=team)
    value = score(run.task.metric, logits, run.dev.labels).value
    row["dev"] = value
    if value <= state.best_value:
        return False
    state.best_value, state.best_step = value, state.step
    return True


def _used(run: Run) -> Tensor:
    """Return the token ids that occur, sorted: the only rows of the embedding that can learn."""
    tokens = [run.dev.tokens, *(leg.rows.tokens for leg in run.legs)]
    return torch.from_numpy(
        np.unique(np.append(np.concatenate(tokens), run.padding)).astype(np.int64)
    )


def _light(run: Run) -> Run:
    """Return a run as other processes need it, in few bytes."""
    legs = tuple(replace(leg, rows=without_texts(leg.rows)) for leg in run.legs)
    return replace(run, legs=legs, dev=without_texts(run.dev))


def _title(run: Run, stage: int, what: str) -> str:
    if len(run.legs) == 1:
        return what
    return f"{what}, {run.legs[stage].name} ({stage + 1} of {len(run.legs)})"


def _dice(seed: int, stage: int) -> int:
    """Return a stage's own seed; a run of one stage has the run's."""
    return seed if stage == 0 else int(np.random.SeedSequence([seed, stage]).generate_state(1)[0])


def _own_dice(seed: int, rank: int, step: int = 0) -> int:
    """Return the seed of a process's dropout from a step on; a lone one has the stage's."""
    if not rank and not step:
        return seed
    return int(np.random.SeedSequence([seed, rank, step]).generate_state(1)[0])


def _now() -> float:
    return time.monotonic()
