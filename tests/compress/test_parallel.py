import json
import os
import signal
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kdc.compress import learner as learner_module
from kdc.compress import loop
from kdc.compress.encode import Batch, Batches
from kdc.compress.errors import KdcError
from kdc.compress.evaluate import predict
from kdc.compress.families import set_dropout
from kdc.compress.learner import Learner, Objectives
from kdc.compress.loop import train
from kdc.compress.losses import LOSSES
from kdc.compress.losses.objective import Widths
from kdc.compress.parallel import ALONE, Crew, World, check_device, crew, world
from kdc.compress.progress import Silent
from kdc.compress.run import Leg, Run, own_seed
from kdc.compress.signals import HEADS, HIDDEN, LOGITS, SCORES, OnlineTeacher, Signals
from kdc.compress.slices import is_labelled, make_slices
from kdc.compress.task import Task
from tests.crew import Processes
from tests.faults import exit_code_of
from tests.tiny import Recorder, own_dice, tiny_model, tiny_run

WHAT = "distilling"
STEPS = 12
SEPARABLE = [name for name, loss in LOSSES.items() if loss.unit not in ("batch", "masked")]
Outcome = tuple[dict[str, Tensor], list[dict[str, float]]]


class Member(Crew):
    """A place in a crew whose others say nothing: what is added and gathered is its own."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.given: list[list[Tensor]] = []

    def add(self, tensors: Sequence[Tensor]) -> None:
        self.given.append([tensor.clone() for tensor in tensors])

    def gather(self, tensor: Tensor) -> list[Tensor]:
        return [tensor + rank for rank in range(self.size)]


def run_of(state: Path, name: str) -> Run:
    """20 steps of one objective, without dropout; the teacher is deeper and wider."""
    run = tiny_run(state, epochs=0.01, min_steps=20, batch=14, evaluations=1, learning_rate=1e-3)
    set_dropout(run.model.config, 0.0)
    with own_dice():
        student = type(run.model)(run.model.config)
    rows = run.legs[0].rows
    rows.labels[::3] = -100
    teacher = OnlineTeacher(
        tiny_model(layers=4, hidden=48, seed=1), wants=frozenset({LOGITS, HIDDEN, HEADS, SCORES})
    )
    leg = replace(run.legs[0], objectives=objective(name, run), teacher=teacher)
    return replace(run, model=student, legs=(leg,))


def objective(name: str, run: Run) -> Objectives:
    loss = LOSSES[name]()
    with own_dice():
        loss.fit(Widths(run.task, 2, 32, 4, 48, student_heads=2, teacher_heads=2))
    return {name: (1.0, loss)}


class TestSlices:
    @pytest.mark.parametrize("name", SEPARABLE)
    @pytest.mark.parametrize(("rows", "size"), [(14, 2), (13, 3), (2, 3)])
    def test_what_the_slices_give_adds_up_to_the_whole_batch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rows: int, size: int
    ) -> None:
        """Bug: a mean of means: short texts, or the few rows with labels, weigh too much."""
        monkeypatch.setattr(learner_module, "autocast", lambda device: nullcontext())
        index = np.arange(5, 5 + rows)

        def given(member: Member) -> list[Tensor]:
            run = run_of(tmp_path, name)
            leg = run.legs[0]
            learner = Learner(run.model, leg.objectives, leg.training, run.device, member)
            batch = make_slices(Batches(leg.rows, run.padding, run.device), index, member)[0]
            learner.step(batch, leg.teacher, 1e-3)
            return member.given[0]

        one = Member(0, 1)
        one.size = 2  # so that it hands out its gradients; its slice is made by hand
        run = run_of(tmp_path, name)
        leg = run.legs[0]
        learner = Learner(run.model, leg.objectives, leg.training, run.device, one)
        whole = Batches(leg.rows, run.padding, run.device).make(index)
        learner.step(whole, leg.teacher, 1e-3)
        parts = [given(Member(rank, size)) for rank in range(size)]
        for each, *slices in zip(one.given[0], *parts, strict=True):
            total = torch.stack(slices).sum(0)
            torch.testing.assert_close(total, each, rtol=1e-4, atol=1e-6)
        assert float(one.given[0][-1]) > 0

    def test_slices_of_rows_with_several_labels_add_up_too(self, tmp_path: Path) -> None:
        """Bug: a row counts as often as it has labels, or not at all."""
        rows = tiny_run(tmp_path).legs[0].rows
        dice = np.random.default_rng(0)
        gold = dice.integers(0, 2, (len(rows), 4)).astype(np.float32)
        gold[::3] = np.nan
        rows, index = replace(rows, labels=gold), np.arange(7)
        loss, logits = LOSSES["hard_labels"](), torch.from_numpy(dice.normal(size=(96, 4)))
        loss.fit(Widths(Task("t", "multi-label", tuple("abcd"), False, "micro-f1"), 2, 32, 2, 32))
        batches = Batches(rows, 0, torch.device("cpu"))

        def value(batch: Batch) -> float:
            said = Signals(logits[batch.index], (), batch.mask)
            return float(loss(said, said, batch.labels))

        whole, parts = value(batches.make(index)), 0.0
        for rank in range(2):
            batch = make_slices(batches, index, Member(rank, 2))[0]
            assert batch.shares is not None
            parts += batch.shares["labelled"] * value(batch)
        assert parts == pytest.approx(whole, rel=1e-6)

    def test_every_row_of_a_batch_is_in_one_slice(self, tmp_path: Path) -> None:
        """Bug: a row is trained twice or never; one process gets all the long texts."""
        run = tiny_run(tmp_path)
        batches = Batches(run.legs[0].rows, 0, run.device)
        index = np.argsort(batches.examples.lengths, kind="stable")[:45]
        made = [make_slices(batches, index, Member(rank, 4))[0] for rank in range(4)]
        assert sorted(row for batch in made for row in batch.index.tolist()) == sorted(index)
        tokens = [int(batch.mask.sum()) for batch in made]
        assert max(tokens) - min(tokens) <= 9 + 9
        assert make_slices(batches, index, ALONE)[0].shares is None

    def test_what_has_a_label(self) -> None:
        """Bug: rows without labels count in the mean over the labelled ones."""
        assert is_labelled(np.array([0, -100, 3])).tolist() == [True, False, True]
        scores = np.array([0.5, np.nan], dtype=np.float32)
        assert is_labelled(scores).tolist() == [True, False]
        several = np.array([[0, 1], [np.nan, np.nan]], dtype=np.float32)
        assert is_labelled(several).tolist() == [True, False]


class TestDice:
    def test_each_process_gets_its_own_back(self, tmp_path: Path) -> None:
        """Bug: after a resume all processes draw the same dropout."""
        run = tiny_run(tmp_path)
        leg = run.legs[0]
        learner = Learner(run.model, leg.objectives, leg.training, run.device, Member(1, 3))
        tensors = learner.tensors()
        assert {name for name in tensors if "dice" in name} == {
            "dice.cpu",
            "dice.cpu.1",
            "dice.cpu.2",
        }
        state = torch.get_rng_state()
        tensors["dice.cpu.1"] = torch.Generator().manual_seed(5).get_state()
        try:
            assert learner.restore(tensors) == 3
            assert torch.equal(torch.get_rng_state(), tensors["dice.cpu.1"])
        finally:
            torch.set_rng_state(state)

    def test_those_of_another_number_of_processes_are_left_alone(self, tmp_path: Path) -> None:
        run = tiny_run(tmp_path)
        leg = run.legs[0]
        learner = Learner(run.model, leg.objectives, leg.training, run.device)
        tensors = {**learner.tensors(), "dice.cpu.1": torch.get_rng_state()}
        torch.rand(1)
        before = torch.get_rng_state()
        assert learner.restore(tensors) == 2
        assert torch.equal(torch.get_rng_state(), before)


class TestWorld:
    def launched(self, monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        told = {"TORCHELASTIC_RUN_ID": "none", **dict(zip(names, "3412", strict=True)), **changes}
        for name, value in told.items():
            monkeypatch.setenv(name, value)

    def test_it_is_read_from_torchrun(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched(monkeypatch)
        assert world() == World(rank=3, size=4, local_rank=1, local_size=2)

    def test_one_process_is_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched(monkeypatch, WORLD_SIZE="1", RANK="0")
        assert world() is None

    def test_a_cluster_that_sets_the_size_everywhere_is_not_torchrun(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: a lone run on a node of a cluster waits for others for ever."""
        monkeypatch.setenv("WORLD_SIZE", "8")
        monkeypatch.setenv("RANK", "0")
        assert world() is None
        with crew(torch.device("cpu")) as found:
            assert found is ALONE

    @pytest.mark.parametrize("name", ["cuda:0", "mps"])
    def test_one_device_for_several_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Bug: every process fills the same GPU."""
        check_device(torch.device(name))
        self.launched(monkeypatch)
        with pytest.raises(KdcError, match=f"--device {name} is one device.*2 processes"):
            check_device(torch.device(name))
        check_device(torch.device("cpu"))

    def test_more_processes_than_gpus_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.launched(monkeypatch)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(KdcError, match="2 processes on a machine with 1 GPUs"):
            check_device(torch.device("cuda"))


# -- several processes ------------------------------------------------------------------------


def save(out: str, run: Run, history: list[dict[str, float]]) -> None:
    torch.save((dict(run.model.state_dict()), history), out)


def load(out: Path) -> Outcome:
    found: Outcome = torch.load(out)
    return found


def same(one: Outcome, other: Outcome) -> bool:
    (ours, history), (theirs, their_history) = one, other
    return history == their_history and all(torch.equal(ours[key], theirs[key]) for key in theirs)


def in_fp32(team: Crew) -> None:
    learner_module.autocast = lambda device: nullcontext()  # type: ignore[assignment]


def train_each(folder: str, out: str) -> None:
    """Train by every objective, one after the other, and keep the losses of every step."""
    with crew(torch.device("cpu")) as team:
        team.call(in_fp32)
        in_fp32(team)
    losses, add = [], loop.Losses.add

    def spy(self: Any, values: Tensor, step: int) -> None:  # noqa: ANN401
        losses.append(float(values))
        add(self, values, step)

    loop.Losses.add = spy  # type: ignore[method-assign]
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
    add, calls = type(team).add, 0

    def deadly(self: Any, tensors: Any) -> None:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        add(self, tensors)

    type(team).add = deadly  # type: ignore[method-assign]


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
        assert said[0].endswith("with --resume to go on from the last kept state")
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
        assert "kept by 2 and is resumed by 1 processes: dropout is drawn anew" in said

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
    save_state = loop.Checkpoints.save

    def full(*_: object) -> None:
        raise KdcError("the disk is full")

    loop.Checkpoints.save = full  # type: ignore[method-assign]
    with pytest.raises(KdcError, match="the disk is full"):
        train(tiny_run(Path(state) / "full"), Silent(), WHAT, resume=False)
    loop.Checkpoints.save = save_state  # type: ignore[method-assign]
    finish(state, out, False)


def break_in_a_follower(state: str) -> None:
    """Have the second process alone run out of memory."""
    with crew(torch.device("cpu")) as team:
        team.call(break_learner)
    train(tiny_run(Path(state)), Silent(), WHAT, resume=False)


def break_learner(team: Crew) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no memory here")

    Learner.step = broken  # type: ignore[assignment,method-assign]


def broken_loss(state: str) -> None:
    """Have a loss become NaN, which all processes see."""
    run = tiny_run(Path(state))
    leg: Leg = run.legs[0]
    leg.teacher.logits[3] = float("nan")  # type: ignore[attr-defined]
    with pytest.raises(KdcError, match=r"the loss soft_labels became nan at step \d"):
        train(run, Silent(), WHAT, resume=False)


def ask(out: str) -> None:
    """Ask a model about rows, alone and together."""
    run = tiny_run(Path(out))
    with crew(torch.device("cpu")) as team:
        team.call(ask_along, run.model, run.dev)
        both = predict(run.model, run.dev, 0, crew=team)
    assert np.array_equal(both, predict(run.model, run.dev, 0))
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
        assert "no memory here: run the same command with --resume" in said[0]
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
