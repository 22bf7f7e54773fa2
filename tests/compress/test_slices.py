from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from kdc.compress import learner as learner_module
from kdc.compress.encode import Batch, Batches
from kdc.compress.learner import Learner
from kdc.compress.losses import LOSSES
from kdc.compress.losses.objective import Widths
from kdc.compress.parallel import ALONE, Crew
from kdc.compress.signals import Signals
from kdc.compress.slices import is_labelled, make_slices
from kdc.compress.task import Task
from tests.crew import SEPARABLE, run_of
from tests.tiny import rows_of, tiny_run


class Member(Crew):
    """A place in a crew whose others say nothing: what is added and gathered is its own."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.given: list[list[Tensor]] = []

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        self.given.append([tensor.clone() for tensor in tensors])

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        return [tensor + rank for rank in range(self.size)]


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
            batch = make_slices(Batches(rows_of(leg), run.padding, run.device), index, member)[0]
            learner.step(batch, leg.teacher, 1e-3)
            return member.given[0]

        one = Member(0, 1)
        one.size = 2  # so that it hands out its gradients; its slice is made by hand
        run = run_of(tmp_path, name)
        leg = run.legs[0]
        learner = Learner(run.model, leg.objectives, leg.training, run.device, one)
        whole = Batches(rows_of(leg), run.padding, run.device).make(index)
        learner.step(whole, leg.teacher, 1e-3)
        parts = [given(Member(rank, size)) for rank in range(size)]
        for each, *slices in zip(one.given[0], *parts, strict=True):
            total = torch.stack(slices).sum(0)
            torch.testing.assert_close(total, each, rtol=1e-4, atol=1e-6)
        assert float(one.given[0][-1]) > 0

    def test_slices_of_rows_with_several_labels_add_up_too(self, tmp_path: Path) -> None:
        """Bug: a row counts as often as it has labels, or not at all."""
        rows = rows_of(tiny_run(tmp_path).legs[0])
        rng = np.random.default_rng(0)
        gold = rng.integers(0, 2, (len(rows), 4)).astype(np.float32)
        gold[::3] = np.nan
        rows, index = replace(rows, labels=gold), np.arange(7)
        loss, logits = LOSSES["hard_labels"](), torch.from_numpy(rng.normal(size=(96, 4)))
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
        batches = Batches(rows_of(run.legs[0]), 0, run.device)
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
        assert {name for name in tensors if "rng" in name} == {
            "rng.cpu",
            "rng.cpu.1",
            "rng.cpu.2",
        }
        state = torch.get_rng_state()
        tensors["rng.cpu.1"] = torch.Generator().manual_seed(5).get_state()
        try:
            assert learner.restore(tensors) == 3
            assert torch.equal(torch.get_rng_state(), tensors["rng.cpu.1"])
        finally:
            torch.set_rng_state(state)

    def test_those_of_another_number_of_processes_are_left_alone(self, tmp_path: Path) -> None:
        run = tiny_run(tmp_path)
        leg = run.legs[0]
        learner = Learner(run.model, leg.objectives, leg.training, run.device)
        tensors = {**learner.tensors(), "rng.cpu.1": torch.get_rng_state()}
        torch.rand(1)
        before = torch.get_rng_state()
        assert learner.restore(tensors) == 2
        assert torch.equal(torch.get_rng_state(), before)
