"""The loop: every model here, teacher or student, is trained by it, stage after stage."""

import math
import time
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from kdc.compress.checkpoint import Checkpoints, Kept, State
from kdc.compress.compact import expand
from kdc.compress.errors import Stopped
from kdc.compress.examples import Examples
from kdc.compress.feed import open_feed
from kdc.compress.interrupts import Interrupts
from kdc.compress.judging import DEV, judge
from kdc.compress.learner import Learner
from kdc.compress.low_rank import hold
from kdc.compress.parallel import Crew, crew, end_quietly
from kdc.compress.progress import Progress, Silent, plural
from kdc.compress.run import History, Leg, Run, own_seed
from kdc.compress.running import Losses
from kdc.compress.runtime import give_memory_back

_SAVE_SECONDS = 60.0  # between two saves
_SAVE_TAKES = 3.0  # seconds; saves that take longer are as much rarer: a 20th of the time at most
_LOOK_STEPS = 50  # steps between looks at the loss: a look waits for the device
_RUNNING, _THREADS = "running", "threads"


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
    _hold(run)
    checkpoints = Checkpoints(run.state, run.fingerprint)
    kept = Kept()
    if resume and checkpoints.exists():
        kept = checkpoints.load()
        done, leg = kept.state.step, run.legs[kept.state.stage]
        title = run.title(kept.state.stage, what)
        progress.say(f"{title}: going on at step {done:,} of {leg.total:,}")
    else:
        checkpoints.clear()
    if run.scale:
        run.scale.begin(run.model)
    with crew(run.device) as team:
        team.call(_train_legs, run.light(), checkpoints, kept, Silent(), what)
        _train_legs(team, run, checkpoints, kept, progress, what)
    expand(run.model)
    if run.scale:
        run.scale.end(run.model)
    run.model.to("cpu").eval()
    return kept.state.history


def _train_legs(
    team: Crew, run: Run, checkpoints: Checkpoints, kept: Kept, progress: Progress, what: str
) -> None:
    """Train every stage from `kept` on; each process of a crew does, and the first one saves."""
    with run.scale.behind(run.model) if run.scale else nullcontext():
        for stage in range(kept.state.stage, len(run.legs)):
            with run.suited(run.legs[stage]):
                _train_leg(team, run, checkpoints, kept, progress, run.title(stage, what))
            if stage + 1 < len(run.legs):
                kept.next_stage()


def _train_leg(
    team: Crew, run: Run, checkpoints: Checkpoints, kept: Kept, progress: Progress, title: str
) -> None:
    """Train the stage that `kept` is in, from there on."""
    # -- the state ------------------------------------------------------------------------------
    state = kept.state
    leg, seed = run.legs[state.stage], run.seed_of(state.stage)
    learner, losses = _learner(team, run, leg, state, seed), Losses(leg.objectives, run.device)
    if kept.tensors:
        _restore(learner, losses, kept, own_seed(seed, team.rank, state.step), progress, title)
    feed = open_feed(leg.rows, leg.training, seed, run.padding, run.device)
    every = math.ceil(leg.total / leg.training.evaluations)
    next_save = _now() + _SAVE_SECONDS

    with (
        progress.bar(title, leg.units(leg.total), leg.units(state.step)) as advance,
        Interrupts(patient=team.size > 1) as interrupts,
    ):
        while state.step < leg.total:
            # -- a step -------------------------------------------------------------------------
            if state.step == leg.rounded_from:  # what was best until now was not rounded
                learner.begin_rounding(run.calibration, run.padding, pair=run.task.pair)
                state.forget_best()
            slices = feed.take(state.step, team)
            found = learner.step(slices, leg.teacher, leg.rate(state.step))
            losses.add(found, learner.norm, state.step)
            state.step += 1
            advance(leg.units(state.step) - leg.units(state.step - 1))

            # -- now and then, look -------------------------------------------------------------
            due = state.step % every == 0 or state.step == leg.total
            late = team.rank == 0 and _now() > next_save
            asked, late = team.any_rank(interrupts.asked, late)
            save = due or asked or late
            if save or state.step % _LOOK_STEPS == 0:
                losses.refuse_broken(title, kept=checkpoints.exists())

            # -- evaluate -----------------------------------------------------------------------
            improved = False
            if due:
                with learner.averaged():
                    improved = _evaluate(team, run, leg, state, losses)
                    kept.best = learner.model_tensors() if improved else kept.best

            # -- save ---------------------------------------------------------------------------
            if save:
                next_save = _save(learner, losses, checkpoints, kept, improved=improved)
                (asked,) = team.any_rank(asked or interrupts.asked)  # meanwhile
            if asked:
                end_quietly()
                raise Stopped(
                    f"{title} stopped at step {state.step:,} of {leg.total:,}; the state is kept: "
                    "run the same command with --resume to go on"
                )
    learner.settle(kept.best if leg.keep_best else None)


def _learner(team: Crew, run: Run, leg: Leg, state: State, seed: int) -> Learner:
    """Return a stage's learner, ready for the tensors of a state or for the first step."""
    torch.manual_seed(own_seed(seed, team.rank))
    learner = Learner(run.model, leg.objectives, leg.training, run.device, team, run.scale)
    if state.step > leg.rounded_from:
        learner.begin_rounding(None, run.padding, pair=run.task.pair)
    return learner


def _restore(
    learner: Learner, losses: Losses, kept: Kept, seed: int, progress: Progress, title: str
) -> None:
    """Give a learner its state back, but for random states that other processes have kept."""
    tensors, kept.tensors = kept.tensors, {}  # as large as the model thrice: not held any longer
    losses.running = tensors.pop(_RUNNING).to(learner.device)
    _tell_threads(tensors.pop(_THREADS, _threads()), learner.device, progress, title)
    before, now = learner.restore(tensors), learner.crew.size
    if before != now:
        torch.manual_seed(seed)
        progress.say(
            f"{title}: the state was kept by {before} and is resumed by "
            f"{plural(now, 'process')}: dropout is drawn anew from here, so the weights "
            "will not be the same bit for bit"
        )


def _save(
    learner: Learner, losses: Losses, checkpoints: Checkpoints, kept: Kept, *, improved: bool
) -> float:
    """Keep the state, and the best model where that is new; returns when to do so again."""
    began = _now()
    tensors = {**learner.tensors(), _RUNNING: losses.running, _THREADS: _threads()}
    if learner.crew.rank == 0:
        checkpoints.save(kept.state, tensors, kept.best if improved else None)
    del tensors
    give_memory_back(learner.device)
    ended = _now()
    return ended + _SAVE_SECONDS * max(1.0, (ended - began) / _SAVE_TAKES)


def _threads() -> Tensor:
    return torch.tensor(torch.get_num_threads())


def _tell_threads(before: Tensor, device: torch.device, progress: Progress, title: str) -> None:
    """Say where a CPU adds up in another order than it did before the state was kept."""
    if device.type == "cpu" and before != _threads():
        progress.say(
            f"{title}: threads were {before} when the state was kept and are {_threads()} now: "
            "sums are rounded otherwise, so the weights will not be the same bit for bit"
        )


def _evaluate(team: Crew, run: Run, leg: Leg, state: State, losses: Losses) -> bool:
    """Write the row of the history; where dev counts, say whether this is the best model so far."""
    number, last = state.stage + 1, state.history[-1] if state.history else None
    before = int(last["step"]) if last and last["stage"] == number else 0
    row: dict[str, float] = {"stage": number, "step": state.step}
    row |= losses.take(state.step - before)
    state.history.append(row)
    row |= judge(run, leg, team)
    if not leg.keep_best or DEV not in row:
        return False
    value = row[DEV]
    if value <= state.best_value:
        return False
    state.best_value, state.best_step = value, state.step
    return True


def _hold(run: Run) -> None:
    """Let the embedding rows alone learn that occur in the tables; in a corpus, all do."""
    tables = [leg.rows for leg in run.legs if isinstance(leg.rows, Examples)]
    if len(tables) < len(run.legs) or not isinstance(run.dev, Examples):
        return
    tokens = [run.dev.tokens, *(rows.tokens for rows in tables)]
    used = np.unique(np.append(np.concatenate(tokens), run.padding)).astype(np.int64)
    most = torch.from_numpy(max(tables, key=len).tokens)
    hold(run.model, torch.from_numpy(used), run.embedding_rank, most)


def _now() -> float:
    return time.monotonic()
