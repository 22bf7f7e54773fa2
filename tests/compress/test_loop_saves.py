"""What a run keeps of itself, for how long, and how often."""

import weakref
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from kdc.compress import loop
from kdc.compress.checkpoint import Checkpoints, Kept, State
from kdc.compress.learner import Learner
from kdc.compress.loop import train
from kdc.compress.progress import Silent
from tests.tiny import Recorder, Stopped, tiny_run

STEPS = 12
WHAT = "distilling"


def test_a_resumed_run_does_not_hold_what_it_was_resumed_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: until its end it has the weights, two moments and the best model once more."""
    with pytest.raises(Stopped):
        train(tiny_run(tmp_path), Recorder(WHAT, 7), WHAT, resume=False)
    held: list[weakref.ref[Tensor]] = []
    load, step = Checkpoints.load, Learner.step

    def loaded(self: Checkpoints) -> Kept:
        kept = load(self)
        held.extend(weakref.ref(kept.tensors[key]) for key in kept.tensors if "all." in key)
        return kept

    def stepped(self: Learner, *given: Any) -> Tensor:  # noqa: ANN401
        assert held
        assert not [ref for ref in held if ref() is not None]
        return step(self, *given)

    monkeypatch.setattr(Checkpoints, "load", loaded)
    monkeypatch.setattr(Learner, "step", stepped)
    train(tiny_run(tmp_path), Silent(), WHAT, resume=True)


def test_saves_that_take_long_are_rarer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a GPU waits an eighth of its time for the disk to take a large model's state."""
    clock, saved = [0.0], list[int]()
    run = tiny_run(tmp_path, evaluations=1)

    def slow(self: Checkpoints, state: State, *tensors: Any) -> None:  # noqa: ANN401
        saved.append(state.step)
        clock[0] += 6.0

    def advance(self: Learner, *given: Any) -> Tensor:  # noqa: ANN401
        clock[0] += 30.5
        return real(self, *given)

    real = Learner.step
    monkeypatch.setattr(loop, "_now", lambda: clock[0])
    monkeypatch.setattr(Checkpoints, "save", slow)
    monkeypatch.setattr(Learner, "step", advance)
    train(run, Silent(), WHAT, resume=False)
    assert saved == [2, 6, 10, STEPS]
