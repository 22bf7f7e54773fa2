import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kdc.compress import judging, loop
from kdc.compress.checkpoint import Checkpoints, State
from kdc.compress.encode import epoch_order
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.loop import train
from kdc.compress.progress import Advance, Progress, Silent
from kdc.compress.signals import KeptTeacher
from tests.faults import die_at_fsync, exit_code_of, start
from tests.tiny import Recorder, Stopped, rows_of, tiny_run

STEPS = 12
WHAT = "distilling"


class Signalling(Silent):
    """A Progress that sends this process a signal after some steps."""

    def __init__(self, number: signal.Signals, after: int) -> None:
        self.number, self.after = number, after

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        def advance(units: int) -> None:
            self.after -= units
            if self.after == 0:
                os.kill(os.getpid(), self.number)

        yield advance


Outcome = tuple[dict[str, Tensor], list[dict[str, float]]]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return finish(tmp_path_factory.mktemp("reference") / "run")


def finish(
    state: Path, *, seed: int = 0, resume: bool = False, progress: Progress | None = None
) -> Outcome:
    run = tiny_run(state, seed=seed)
    history = train(run, progress or Silent(), WHAT, resume=resume)
    return dict(run.model.state_dict()), history


def same(one: Outcome, other: Outcome) -> bool:
    (ours, history), (theirs, their_history) = one, other
    alike = history == their_history and list(ours) == list(theirs)
    return alike and all(torch.equal(ours[key], theirs[key]) for key in ours)


def kept_step(state: Path) -> int:
    return int(json.loads((state / "state.json").read_text())["step"])


@pytest.fixture
def saves_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)


class TestRepeating:
    def test_the_same_seed_gives_the_same_weights_and_another_others(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        torch.manual_seed(77)
        assert same(finish(tmp_path / "a"), uninterrupted)
        assert not same(finish(tmp_path / "b", seed=1), uninterrupted)

    @pytest.mark.usefixtures("saves_every_step")
    def test_saving_more_often_changes_nothing(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        """Bug: on a slower machine the state is kept more often, and the weights differ."""
        assert same(finish(tmp_path / "a"), uninterrupted)

    @pytest.mark.usefixtures("saves_every_step")
    @pytest.mark.parametrize("step", [2, 5, 6, 7, 12])
    def test_stopped_at_any_step_and_resumed_the_weights_are_the_same(
        self, tmp_path: Path, uninterrupted: Outcome, step: int
    ) -> None:
        """Bug: a resumed run draws other dropout, other batches or another learning rate."""
        with pytest.raises(Stopped):
            train(tiny_run(tmp_path), Recorder(WHAT, step), WHAT, resume=False)
        assert kept_step(tmp_path) == step - 1
        assert same(finish(tmp_path, resume=True), uninterrupted)

    @pytest.mark.usefixtures("saves_every_step")
    def test_other_threads_than_before_are_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: the weights differ from those of a run without a stop, and nobody was told."""
        with pytest.raises(Stopped), monkeypatch.context() as other:
            other.setattr(torch, "get_num_threads", lambda: 7)
            train(tiny_run(tmp_path), Recorder(WHAT, 4), WHAT, resume=False)
        progress = Recorder()
        finish(tmp_path, resume=True, progress=progress)
        assert any("threads were 7 when the state was kept" in said for said in progress.said)

    def test_a_run_that_had_ended_is_not_trained_again(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        """Bug: killed between the last step and the student folder, a run starts over."""
        finish(tmp_path)
        again = finish(tmp_path, resume=True, progress=Recorder(WHAT, after=1))
        assert same(again, uninterrupted)

    def test_without_resume_a_run_starts_over(self, tmp_path: Path, uninterrupted: Outcome) -> None:
        """Bug: stopped before its first save, a new run is resumed from the run before it."""
        finish(tmp_path, seed=1)
        with pytest.raises(Stopped):
            finish(tmp_path, progress=Recorder(WHAT, after=1))
        assert not tmp_path.exists()
        assert same(finish(tmp_path, resume=True), uninterrupted)

    def test_resuming_with_nothing_kept_simply_starts(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        assert same(finish(tmp_path / "none", resume=True), uninterrupted)

    def test_resuming_another_run_is_refused(self, tmp_path: Path) -> None:
        finish(tmp_path)
        with pytest.raises(KdcError, match="had another teacher, data, recipe or option"):
            train(tiny_run(tmp_path, learning_rate=0.5), Silent(), WHAT, resume=True)

    def test_the_best_is_remembered_over_a_resume(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: after --resume the first evaluation counts as the best so far."""
        values, seen = iter([0.9, 0.5, 0.1, 0.3]), []

        def spy(model: Any, *rest: Any, **how: Any) -> Any:  # noqa: ANN401
            seen.append(model.classifier.weight.detach().clone())
            return predict(model, *rest, **how)

        monkeypatch.setattr(judging, "predict", spy)
        monkeypatch.setattr(judging, "value", lambda *_: next(values))
        with pytest.raises(KdcError, match="stopped"):
            run = tiny_run(tmp_path, evaluations=4)
            train(run, Signalling(signal.SIGINT, 7), WHAT, resume=False)
        run = tiny_run(tmp_path, evaluations=4)
        train(run, Silent(), WHAT, resume=True)
        assert torch.equal(run.model.classifier.weight, seen[0])


def train_and_die(state: str, at_fsync: int) -> None:
    loop._SAVE_SECONDS = -1.0
    die_at_fsync(at_fsync)
    finish(Path(state))


def train_on(state: str) -> None:
    loop._SAVE_SECONDS = -1.0
    finish(Path(state), resume=True)


class TestKilled:
    @pytest.mark.parametrize("at_fsync", [1, 2, 3, 4, 5, 8, 18, 19, 21, 22, 24, 50])
    def test_killed_while_a_state_is_written_the_weights_are_the_same(
        self, tmp_path: Path, uninterrupted: Outcome, at_fsync: int
    ) -> None:
        """Bug: a kill in the middle of a save leaves a state of two steps, or none at all."""
        assert exit_code_of(train_and_die, str(tmp_path), at_fsync) == -signal.SIGKILL
        assert same(finish(tmp_path, resume=True), uninterrupted)

    def test_killed_again_and_again_at_random_instants_the_weights_are_the_same(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        rng, kills = random.Random(1), 0
        for _ in range(6):
            child = start(train_on, str(tmp_path))
            deadline = time.monotonic() + 300
            while child.is_alive() and not (tmp_path / "state.json").exists():
                assert time.monotonic() < deadline
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.1))
            child.kill()
            child.join(300)
            kills += child.exitcode == -signal.SIGKILL
        assert kills
        assert same(finish(tmp_path, resume=True), uninterrupted)


class TestStopped:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_keeps_the_state_and_says_how_to_go_on(
        self, tmp_path: Path, uninterrupted: Outcome, number: signal.Signals
    ) -> None:
        """Bug: Ctrl-C after three hours ends in a traceback and an empty folder."""
        with pytest.raises(KdcError, match=r"stopped at step 5 of 12.*--resume") as caught:
            train(tiny_run(tmp_path), Signalling(number, 5), WHAT, resume=False)
        assert caught.value.exit_code == 1
        assert kept_step(tmp_path) == 5
        progress = Recorder()
        assert same(finish(tmp_path, resume=True, progress=progress), uninterrupted)
        assert progress.said == ["distilling: going on at step 5 of 12"]

    def test_a_signal_at_the_last_step_does_not_lose_the_run(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        with pytest.raises(KdcError, match="stopped at step 12 of 12"):
            train(tiny_run(tmp_path), Signalling(signal.SIGINT, STEPS), WHAT, resume=False)
        assert same(finish(tmp_path, resume=True), uninterrupted)

    @pytest.mark.parametrize("step", [8, STEPS])
    @pytest.mark.parametrize("during", ["judge", "save"])
    def test_a_signal_while_dev_is_measured_or_the_state_is_saved_is_heard(
        self,
        tmp_path: Path,
        uninterrupted: Outcome,
        monkeypatch: pytest.MonkeyPatch,
        during: str,
        step: int,
    ) -> None:
        """Bug: sent in a stage's last evaluation, the only Ctrl-C is lost and the run goes on."""
        judged, saved = judging.judge, Checkpoints.save

        def judge(run: Any, leg: Any, team: Any) -> dict[str, float]:  # noqa: ANN401
            if during == "judge" and judged_steps.pop(0) == step:
                os.kill(os.getpid(), signal.SIGINT)
            return judged(run, leg, team)

        def save(self: Checkpoints, state: State, *tensors: Any) -> None:  # noqa: ANN401
            if during == "save" and state.step == step:
                os.kill(os.getpid(), signal.SIGINT)
            saved(self, state, *tensors)

        judged_steps = [4, 8, STEPS]
        with monkeypatch.context() as signalling:
            signalling.setattr(loop, "judge", judge)
            signalling.setattr(Checkpoints, "save", save)
            with pytest.raises(KdcError, match=f"stopped at step {step} of 12"):
                train(tiny_run(tmp_path), Silent(), WHAT, resume=False)
        assert same(finish(tmp_path, resume=True), uninterrupted)

    @pytest.mark.usefixtures("saves_every_step")
    def test_a_loss_that_is_not_finite_is_named_and_the_last_good_state_kept(
        self, tmp_path: Path
    ) -> None:
        """Bug: NaN weights are saved over good ones, and argmax of NaN scores like a class."""
        run = tiny_run(tmp_path)
        teacher = run.legs[0].teacher
        assert isinstance(teacher, KeptTeacher)
        broken = teacher.logits.clone()
        broken[epoch_order(rows_of(run.legs[0]).lengths, 16, 0, 0)[3][0]] = float("nan")
        with pytest.raises(KdcError, match=r"the loss soft_labels became nan at step 4.*rate"):
            leg = replace(run.legs[0], teacher=KeptTeacher(broken))
            train(replace(run, legs=(leg,)), Silent(), WHAT, resume=False)
        assert kept_step(tmp_path) == 3
