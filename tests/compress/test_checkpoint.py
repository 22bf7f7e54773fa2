import errno
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kdc.compress import checkpoint
from kdc.compress.checkpoint import Checkpoints, State, Tensors
from kdc.compress.errors import KdcError, Unusable
from tests.faults import refusing

WHO = {"seed": 1, "teacher": "a"}


def tensors(step: int) -> Tensors:
    return {"w": torch.full((3, 4), float(step)), "rng": torch.arange(5, dtype=torch.uint8)}


def best(step: int) -> Tensors:
    return {"w": torch.full((2,), -float(step))}


def save(folder: Path, step: int, *, improved: bool = True, kept: State | None = None) -> State:
    state = kept or State()
    state.step = step
    if improved:
        state.best_step, state.best_value = step, step / 10
    state.history.append({"step": step, "dev": 0.1 + 0.2})
    checkpoints = Checkpoints(folder, WHO)
    if checkpoints.exists():
        checkpoints.load()
    checkpoints.save(state, tensors(step), best(step) if improved else None)
    return state


def check(folder: Path, step: int, best_step: int) -> None:
    kept = Checkpoints(folder, WHO).load()
    state, last, top = kept.state, kept.tensors, kept.best
    assert (state.step, state.best_step, state.best_value) == (step, best_step, best_step / 10)
    assert state.history[-1] == {"step": step, "dev": 0.1 + 0.2}
    assert torch.equal(last["w"], tensors(step)["w"])
    assert torch.equal(last["rng"], tensors(step)["rng"])
    assert torch.equal(top["w"], best(best_step)["w"])


def test_what_was_saved_is_loaded_and_the_best_stays_though_the_run_goes_on(tmp_path: Path) -> None:
    """Bug: cleaning up after step 8 removes the best model, which is of step 4."""
    state = save(tmp_path, 4)
    check(tmp_path, 4, 4)
    save(tmp_path, 8, improved=False, kept=state)
    check(tmp_path, 8, 4)
    assert sorted(os.listdir(tmp_path)) == [
        "stage-0-best-4.safetensors",
        "stage-0-step-8.safetensors",
        "state.json",
    ]


def test_a_run_that_was_never_measured_has_no_best(tmp_path: Path) -> None:
    """Bug: minus infinity is no JSON, and the first save of a long epoch fails."""
    save(tmp_path, 1, improved=False)
    kept = Checkpoints(tmp_path, WHO).load()
    state = kept.state
    assert (state.best_step, state.best_value, kept.best) == (-1, float("-inf"), {})


@pytest.mark.parametrize("site", range(1, 8))
def test_a_save_that_stops_anywhere_leaves_the_old_state_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: int
) -> None:
    """Bug: a kill between two files leaves a state that names a file of another step.

    The six syncs of a save are those of its three files and of their folder; the seventh site is
    the cleaning up.
    """
    state = save(tmp_path, 4)
    sync, unlink, calls = os.fsync, Path.unlink, 0

    def stop_at(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == site:
            raise InterruptedError
        sync(handle)

    def stop_cleaning(path: Path, missing_ok: bool = False) -> None:
        if site == 7 and path.name == "stage-0-step-4.safetensors":
            raise InterruptedError
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "fsync", stop_at)
    monkeypatch.setattr(Path, "unlink", stop_cleaning)
    with pytest.raises(InterruptedError):
        save(tmp_path, 8, kept=state)
    monkeypatch.undo()
    landed = 4 if site < 6 else 8
    check(tmp_path, landed, landed)
    save(tmp_path, 12, kept=state)
    check(tmp_path, 12, 12)
    assert len(os.listdir(tmp_path)) == 3


def test_a_full_disk_keeps_the_old_state_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: 'run it again' without --resume starts over and throws the kept hours away."""
    state = save(tmp_path, 4)
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(
        KdcError, match=r"the disk is full.*the state before it is kept: add --resu"
    ):
        save(tmp_path, 8, kept=state)
    monkeypatch.undo()
    check(tmp_path, 4, 4)


def test_a_really_full_disk_keeps_the_old_state(small_disk: Callable[[int], Path]) -> None:
    """Bug: safetensors' own error for a full disk ends in a traceback."""
    folder = small_disk(96) / "run"
    state = save(folder, 4)
    state.step = 8
    checkpoints = Checkpoints(folder, WHO)
    checkpoints.load()
    with pytest.raises(KdcError, match="the disk is full"):
        checkpoints.save(state, {"w": torch.zeros(100_000)}, None)
    check(folder, 4, 4)
    assert len(os.listdir(folder)) == 3


def test_a_full_disk_at_the_first_save_promises_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
    with pytest.raises(KdcError, match="the disk is full") as caught:
        save(tmp_path / "run", 4)
    assert "--resume" not in str(caught.value)


@pytest.mark.parametrize("name", ["stage-0-step-4.safetensors", "stage-0-best-4.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    """Bug: safetensors has no checksum: a flipped bit goes on training unnoticed."""
    save(tmp_path, 4)
    content = bytearray((tmp_path / name).read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    (tmp_path / name).write_bytes(content[:-3] if damage == "cut" else content)
    if damage == "gone":
        (tmp_path / name).unlink()
    with pytest.raises(KdcError, match=f"{name} is missing or corrupted: start over"):
        Checkpoints(tmp_path, WHO).load()


def test_a_flipped_bit_in_the_state_itself_is_noticed(tmp_path: Path) -> None:
    """Bug: another step or best score is read, or a KeyError ends in a traceback."""
    save(tmp_path, 4)
    path, rng = tmp_path / "state.json", random.Random(0)
    whole = path.read_bytes()
    for _ in range(300):
        flipped, place = bytearray(whole), rng.randrange(8 * len(whole))
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            Checkpoints(tmp_path, WHO).load()
        except KdcError as error:
            assert "state.json" in str(error)
        else:
            assert json.loads(flipped) == json.loads(whole)


def test_a_state_that_is_no_json_is_one_that_no_run_can_go_on_from(tmp_path: Path) -> None:
    """Bug: the fine-tuning on the way to a student never starts over, whatever the command."""
    save(tmp_path, 4)
    for broken in (b"", b"{", b"[]", b"\xff"):
        (tmp_path / "state.json").write_bytes(broken)
        with pytest.raises(Unusable, match=r"state\.json .*: start over without --resume"):
            Checkpoints(tmp_path, WHO).load()


def test_what_killed_saves_have_left_goes_with_the_next(tmp_path: Path) -> None:
    """Bug: a job that is killed every night fills the disk with halves of its state."""
    for name in (".stage-0-step-2.safetensors.ab12cd34.tmp", ".state.json.ab12cd34.tmp"):
        (tmp_path / name).write_bytes(bytes(9))
    save(tmp_path, 4)
    assert len(os.listdir(tmp_path)) == 3


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    """Bug: half a run with one learning rate and half with another, under one name."""
    save(tmp_path, 4)
    with pytest.raises(KdcError, match="give the same options to --resume it, or start over"):
        Checkpoints(tmp_path, {**WHO, "seed": 2}).load()
    Checkpoints(tmp_path, dict(reversed(WHO.items()))).load()


def test_a_state_of_another_version_is_not_called_one_of_other_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: after an upgrade a user looks for the option that was different, and there is none."""
    with monkeypatch.context() as older:
        older.setattr(checkpoint, "_FORMAT", "kdc.state/1")
        save(tmp_path, 4)
    with pytest.raises(KdcError, match="by another version of kdc: start over without --resume"):
        Checkpoints(tmp_path, WHO).load()


def test_a_cleared_run_is_gone(tmp_path: Path) -> None:
    save(tmp_path / "run", 4)
    checkpoints = Checkpoints(tmp_path / "run", WHO)
    assert checkpoints.exists()
    checkpoints.clear()
    assert not checkpoints.exists()
    assert not (tmp_path / "run").exists()
    checkpoints.clear()
