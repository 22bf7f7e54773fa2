import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kdc.compress import loop
from kdc.compress.encode import Batches, epoch_order
from kdc.compress.errors import KdcError
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.losses.hard_labels import HardLabels
from kdc.compress.progress import Progress, Silent
from kdc.compress.recipe import Recipe
from kdc.compress.run import Run
from kdc.compress.running import Losses
from kdc.compress.signals import KeptTeacher, Signals
from kdc.compress.stages import Stage, Training
from tests.faults import die_at_fsync, exit_code_of
from tests.tiny import Recorder, Stopped, rows_of, tiny_run

WHAT = "distilling"
FIRST, SECOND = "distilling, warm (1 of 2)", "distilling, end (2 of 2)"
Outcome = tuple[dict[str, Tensor], list[dict[str, float]]]


def two_stages() -> Recipe:
    """6 steps that keep the last weights, then 12 that keep the best."""
    short = Training(epochs=1.0, batch=16, evaluations=2, learning_rate=1e-3)
    stages = (
        Stage("warm", {"soft_labels": {}}, short),
        Stage("end", {"hard_labels": {}, "soft_labels": {}}, replace(short, epochs=2.0)),
    )
    return Recipe("two", "", "", stages)


def finish(state: Path, *, resume: bool = False, progress: Progress | None = None) -> Outcome:
    run = tiny_run(state, recipe=two_stages())
    history = train(run, progress or Silent(), WHAT, resume=resume)
    return dict(run.model.state_dict()), history


def same(one: Outcome, other: Outcome) -> bool:
    (ours, history), (theirs, their_history) = one, other
    return history == their_history and all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return finish(tmp_path_factory.mktemp("reference") / "run")


@pytest.fixture
def saves_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)


def test_the_history_tells_the_stages_apart(uninterrupted: Outcome) -> None:
    """Bug: a score on dev of a head that nothing has trained yet chooses the weights."""
    _, history = uninterrupted
    places = [(row["stage"], row["step"]) for row in history]
    assert places == [(1, 3), (1, 6), (2, 6), (2, 12)]
    assert [set(row) - {"stage", "step"} for row in history] == [
        {"soft_labels"},
        {"soft_labels"},
        {"soft_labels", "hard_labels", "dev"},
        {"soft_labels", "hard_labels", "dev"},
    ]


def test_a_stage_starts_from_what_the_one_before_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the second stage starts from the first weights, the best ones, or an old optimizer."""
    seen: list[dict[str, Tensor]] = []
    rates: list[float] = []
    step = Learner.step

    def spy(self: Learner, batch: Any, teacher: Any, rate: float) -> Tensor:  # noqa: ANN401
        seen.append(self.model_tensors())
        rates.append(rate)
        assert len(self.optimizer.state) == (0 if len(rates) in (1, 7) else len(seen[0]))
        losses = step(self, batch, teacher, rate)
        seen.append(self.model_tensors())
        return losses

    monkeypatch.setattr(Learner, "step", spy)
    finish(tmp_path)
    after_first, before_second = seen[2 * 6 - 1], seen[2 * 6]
    assert all(torch.equal(after_first[key], before_second[key]) for key in after_first)
    assert rates[0] == pytest.approx(1e-3)
    assert rates[5] == pytest.approx(1e-3 / 5)
    assert rates[6] == pytest.approx(5e-4)  # a warm-up of its own: 2 of 12 steps


@pytest.mark.usefixtures("saves_every_step")
@pytest.mark.parametrize(
    ("title", "step"), [(FIRST, 3), (FIRST, 6), (SECOND, 1), (SECOND, 2), (SECOND, 7), (SECOND, 12)]
)
def test_stopped_in_any_stage_and_resumed_the_weights_are_the_same(
    tmp_path: Path, uninterrupted: Outcome, title: str, step: int
) -> None:
    """Bug: resumed in the second stage, the run repeats the first, or draws other rng."""
    with pytest.raises(Stopped):
        finish(tmp_path, progress=Recorder(title, step))
    progress = Recorder()
    assert same(finish(tmp_path, resume=True, progress=progress), uninterrupted)
    assert (FIRST in progress.bars) == (title == FIRST or step == 1)


def test_a_finished_stage_is_not_trained_again(tmp_path: Path, uninterrupted: Outcome) -> None:
    """Bug: killed on the way from one stage to the next, hours are repeated."""
    with pytest.raises(Stopped):
        finish(tmp_path, progress=Recorder(SECOND, 1))
    progress = Recorder(FIRST, 1)
    assert same(finish(tmp_path, resume=True, progress=progress), uninterrupted)
    assert progress.said == [f"{FIRST}: going on at step 6 of 6"]


def train_and_die(state: str, at_fsync: int) -> None:
    loop._SAVE_SECONDS = -1.0
    die_at_fsync(at_fsync)
    finish(Path(state))


@pytest.mark.parametrize("at_fsync", [3, 22, 23, 24, 25, 26, 27, 28, 30, 45])
def test_killed_while_a_state_is_written_the_weights_are_the_same(
    tmp_path: Path, uninterrupted: Outcome, at_fsync: int
) -> None:
    """Bug: step 4 of the second stage overwrites the file of step 4 of the first."""
    assert exit_code_of(train_and_die, str(tmp_path), at_fsync) == -signal.SIGKILL
    assert same(finish(tmp_path, resume=True), uninterrupted)


@pytest.mark.usefixtures("saves_every_step")
def test_a_broken_loss_of_a_later_stage_is_named_and_the_good_state_kept(tmp_path: Path) -> None:
    """Bug: all losses are NaN a step later, and the first in the list is blamed."""
    run = tiny_run(tmp_path, recipe=two_stages())
    second = run.legs[1]
    assert isinstance(second.teacher, KeptTeacher)
    logits = second.teacher.logits.clone()
    order = epoch_order(rows_of(second).lengths, 16, run.seed_of(1), 0)
    logits[order[3][0]] = float("nan")
    broken = replace(run, legs=(run.legs[0], replace(second, teacher=KeptTeacher(logits))))
    said = r"end \(2 of 2\): the loss soft_labels became nan at step 4.*the last good state is kept"
    with pytest.raises(KdcError, match=said):
        train(broken, Silent(), WHAT, resume=False)
    note = json.loads((tmp_path / "state.json").read_text())
    assert (note["stage"], note["step"]) == (1, 3)


def losses_of(run: Run) -> Losses:
    return Losses(run.legs[0].objectives, run.device)


def test_the_first_loss_that_broke_is_named_with_its_step(tmp_path: Path) -> None:
    """Bug: looked at 50 steps later, every loss is NaN and the step is that of the look."""
    losses = losses_of(tiny_run(tmp_path))
    for step, values in enumerate([(1.0, 2.0), (1.0, float("inf")), (float("nan"), float("nan"))]):
        losses.add(torch.tensor(values), torch.tensor(max(values)), step)
    with pytest.raises(
        KdcError, match=r"the loss hard_labels became nan at step 2:.*weight and start over$"
    ):
        losses.refuse_broken("x", kept=False)


def test_weights_that_a_gradient_broke_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: every loss is still a number, and the state kept as the last good one is all NaN."""

    def root_of_nothing(self: object, student: Signals, *_: object) -> Tensor:
        return (student.logits * 0).sum().sqrt()

    monkeypatch.setattr(HardLabels, "forward", root_of_nothing)
    run = tiny_run(tmp_path)
    with pytest.raises(KdcError, match=r"the losses' gradient was not finite at step 1: lower"):
        train(run, Silent(), WHAT, resume=False)
    assert not (tmp_path / "state.json").exists()


def test_a_step_does_not_wait_for_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: one `.item()` in a step, and a GPU idles between any two of them."""
    run = tiny_run(tmp_path)
    leg = run.legs[0]
    learner, losses = Learner(run.model, leg.objectives, leg.training, run.device), losses_of(run)
    batch = Batches(rows_of(leg), 0, run.device).make(np.arange(16))

    inside = 0  # the model itself: transformers looks whether anything is padded

    def enter(*_: object) -> None:
        nonlocal inside
        inside += 1

    def leave(*_: object) -> None:
        nonlocal inside
        inside -= 1

    run.model.register_forward_pre_hook(enter)
    run.model.register_forward_hook(leave)

    def refuse(name: str) -> Any:  # noqa: ANN401
        method = getattr(Tensor, name)

        def waits(self: Tensor, *args: Any) -> Any:  # noqa: ANN401
            assert inside, f"{name} waits for the device"
            return method(self, *args)

        return waits

    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(Tensor, name, refuse(name))
    losses.add(learner.step(batch, leg.teacher, 1e-3), learner.norm, 0)
    with pytest.raises(AssertionError, match="tolist waits"):
        losses.refuse_broken("x", kept=False)
