import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kdc.compress import loop, runtime
from kdc.compress.checkpoint import Checkpoints
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.parallel import Crew, crew
from kdc.compress.progress import Silent
from kdc.compress.run import Run, own_seed
from kdc.compress.running import Losses
from kdc.compress.signals import KeptTeacher
from tests.crew import SEPARABLE, Processes, run_of
from tests.faults import exit_code_of
from tests.tiny import Recorder, dev_of, tiny_run

WHAT = "distilling"
STEPS = 12
Outcome = tuple[dict[str, Tensor], list[dict[str, float]]]


def save(out: str, run: Run, history: list[dict[str, float]]) -> None:
    torch.save((dict(run.model.state_dict()), history), out)


def load(out: Path) -> Outcome:
    found: Outcome = torch.load(out)
    return found


def same(one: Outcome, other: Outcome) -> bool:
    (ours, history), (theirs, their_history) = one, other
    return history == their_history and all(torch.equal(ours[key], theirs[key]) for key in theirs)


def in_fp32(team: Crew) -> None:
    pytest.MonkeyPatch().setattr(runtime, "has_bf16", lambda device: False)


def train_each(folder: str, out: str) -> None:
    """Train by every objective, one after the other, and keep the losses of every step."""
    with crew(torch.device("cpu")) as team:
        team.call(in_fp32)
        in_fp32(team)
    losses, add = list[float](), Losses.add

    def spy(self: Any, values: Tensor, norm: Tensor, step: int) -> None:  # noqa: ANN401
        losses.append(float(values))
        add(self, values, norm, step)

    pytest.MonkeyPatch().setattr(Losses, "add", spy)
    for name in SEPARABLE:
        train(run_of(Path(folder) / name, name), Silent(), WHAT, resume=False)
    each = {name: losses[20 * place : 20 * place + 20] for place, name in enumerate(SEPARABLE)}
    Path(out).write_text(json.dumps(each))


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    """Bug: with more processes another loss is minimised, by the slice or by the number of them."""
    together = Processes(2, train_each, str(tmp_path / "two"), str(tmp_path / "two.json"))
    assert exit_code_of(train_each, str(tmp_path / "one"), str(tmp_path / "one.json")) == 0
    assert together.exit_codes() == [0, 0]
    two, one = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("two", "one"))
    assert set(one) == set(SEPARABLE)
    for name in SEPARABLE:
        assert len(one[name]) == 20
        assert one[name][-1] < one[name][0]
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5, err_msg=name)


def finish(state: str, out: str, resume: bool) -> None:
    """Train 12 steps with dropout; every step is kept."""
    loop._SAVE_SECONDS = -1.0
    run, progress = tiny_run(Path(state)), Recorder()
    history = train(run, progress, WHAT, resume=resume)
    save(out, run, history)
    Path(f"{out}.said").write_text("\n".join(progress.said))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("reference")
    together = Processes(2, finish, str(folder / "run"), str(folder / "out"), False)
    assert together.exit_codes() == [0, 0]
    return load(folder / "out")


def finish_and_die(state: str, out: str, rank: int, step: int) -> None:
    """Train, and have a process killed as by `kill -9` in the middle of a step."""
    loop._SAVE_SECONDS = -1.0
    with crew(torch.device("cpu")) as team:
        team.call(doom, rank, step)
        doom(team, rank, step)
    finish(state, out, False)


def doom(team: Crew, rank: int, step: int) -> None:
    if team.rank != rank:
        return
    add, calls = type(team).all_reduce, 0

    def deadly(self: Any, tensors: Any) -> None:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        add(self, tensors)

    pytest.MonkeyPatch().setattr(type(team), "all_reduce", deadly)


class TestResume:
    @pytest.mark.parametrize(("rank", "step"), [(1, 3), (0, 8)])
    def test_a_killed_process_ends_all_and_resumed_the_weights_are_the_same(
        self,
        tmp_path: Path,
        uninterrupted: Outcome,
        rank: int,
        step: int,
    ) -> None:
        """Bug: the others wait for ever; a resumed run draws the dropout of another process."""
        state, out = str(tmp_path / "run"), tmp_path / "out"
        together = Processes(2, finish_and_die, state, str(out), rank, step)
        together.members[rank].join(60)
        os.kill(together.members[1 - rank].pid or 0, signal.SIGTERM)  # as torchrun does
        codes = together.exit_codes(20)
        assert codes[rank] == -signal.SIGKILL
        assert codes[1 - rank] == 1
        said = together.said()
        assert len(said) == 1
        assert said[0].startswith("kdc: ")
        assert said[0].endswith("a training with --resume, to go on from the last kept state")
        note = json.loads((tmp_path / "run" / "state.json").read_text())
        assert note["step"] in (step - 2, step - 1)
        assert Processes(2, finish, state, str(out), True).exit_codes() == [0, 0]
        assert same(load(out), uninterrupted)
        assert f"going on at step {note['step']} of 12" in Path(f"{out}.said").read_text()

    def test_one_process_goes_on_with_what_two_have_kept(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        """Bug: the run is refused, or goes on with the dropout that it had at its start."""
        state, out = str(tmp_path / "run"), tmp_path / "out"
        together = Processes(2, finish_and_die, state, str(out), 1, 7)
        together.exit_codes()
        assert exit_code_of(finish, state, str(out), True) == 0
        weights, history = load(out)
        assert [row["step"] for row in history] == [4, 8, 12]
        assert history[0] == uninterrupted[1][0]
        assert not same((weights, history), uninterrupted)
        said = Path(f"{out}.said").read_text()
        assert "kept by 2 and is resumed by 1 process: dropout is drawn anew" in said

    def test_dropout_differs_between_processes_and_seeds_repeat(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        """Bug: all processes drop the same units, which halves what dropout is for."""
        out = tmp_path / "again"
        again = Processes(2, finish, str(tmp_path / "run"), str(out), False)
        assert again.exit_codes() == [0, 0]
        assert same(load(out), uninterrupted)
        seeds = {own_seed(seed, rank) for seed in range(4) for rank in range(4)}
        assert len(seeds) == 16


def fail_then_train(state: str, out: str) -> None:
    """Leave one run by an error of the first process alone, then train another."""

    def full(*_: object) -> None:
        raise KdcError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", full)
        with pytest.raises(KdcError, match="the disk is full"):
            train(tiny_run(Path(state) / "full"), Silent(), WHAT, resume=False)
    finish(state, out, False)


def break_in_a_follower(state: str) -> None:
    """Have the second process alone run out of memory."""
    with crew(torch.device("cpu")) as team:
        team.call(break_learner)
    train(tiny_run(Path(state)), Silent(), WHAT, resume=False)


def break_learner(team: Crew) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no memory here")

    pytest.MonkeyPatch().setattr(Learner, "step", broken)


def broken_loss(state: str) -> None:
    """Have a loss become NaN, which all processes see."""
    run = tiny_run(Path(state))
    teacher = run.legs[0].teacher
    assert isinstance(teacher, KeptTeacher)
    teacher.logits[3] = float("nan")
    with pytest.raises(KdcError, match=r"the loss soft_labels became nan at step \d"):
        train(run, Silent(), WHAT, resume=False)


def ask(out: str) -> None:
    """Ask a model about rows, alone and together."""
    run = tiny_run(Path(out))
    with crew(torch.device("cpu")) as team:
        team.call(ask_along, run.model, dev_of(run))
        both = predict(run.model, dev_of(run), 0, crew=team)
    assert np.array_equal(both, predict(run.model, dev_of(run), 0))
    assert np.abs(both).min() > 0


def ask_along(team: Crew, model: Any, rows: Any) -> None:  # noqa: ANN401
    predict(model, rows, 0, crew=team)


class TestTogether:
    def test_a_run_that_fails_in_the_first_leaves_the_others_free_for_the_next(
        self, tmp_path: Path, uninterrupted: Outcome
    ) -> None:
        """Bug: in a sweep a full disk leaves the others in a sum that never comes."""
        out = tmp_path / "out"
        together = Processes(2, fail_then_train, str(tmp_path), str(out))
        assert together.exit_codes() == [0, 0]
        assert same(load(out), uninterrupted)

    def test_what_fails_in_another_is_said_once_by_the_first(self, tmp_path: Path) -> None:
        """Bug: N tracebacks, or one that names a socket instead of the cause."""
        together = Processes(3, break_in_a_follower, str(tmp_path))
        assert together.exit_codes(30) == [1, 0, 0]
        said = together.said()
        assert len(said) == 1
        assert "no memory here: run the same command again, a training with --resume" in said[0]
        assert said[0].startswith(("kdc: process 1: ", "kdc: process 2: "))

    def test_a_broken_loss_is_everybodys_and_ends_well(self, tmp_path: Path) -> None:
        together = Processes(2, broken_loss, str(tmp_path))
        assert together.exit_codes(60) == [0, 0]
        assert together.said() == []

    def test_rows_are_asked_about_by_turns_and_the_answers_are_those_of_one(
        self, tmp_path: Path
    ) -> None:
        """Bug: answers depend on how many processes gave them, or are out of order."""
        assert Processes(3, ask, str(tmp_path)).exit_codes() == [0, 0, 0]
