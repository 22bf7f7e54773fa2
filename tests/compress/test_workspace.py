from pathlib import Path

import pytest

from kdc.compress.checkpoint import forget, holds_state
from kdc.compress.errors import Stopped
from kdc.compress.workspace import Workspace, made_with


def test_everything_lies_beside_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a relative --out keeps its state wherever the user happens to stand later."""
    monkeypatch.chdir(tmp_path)
    place = Workspace(Path("runs/student"))
    assert place.root == tmp_path / "runs" / ".kdc"
    for folder in (place.state, place.lock, place.kept, place.teachers):
        assert folder.is_relative_to(place.root)


def test_two_outputs_share_teachers_but_no_state(tmp_path: Path) -> None:
    """Bug: two runs side by side overwrite each other's checkpoints."""
    one, two = Workspace(tmp_path / "a"), Workspace(tmp_path / "b")
    assert one.state != two.state
    assert one.lock != two.lock
    assert (one.kept, one.teachers) == (two.kept, two.teachers)


def test_no_name_of_an_output_is_a_place_of_another(tmp_path: Path) -> None:
    """Bug: `student.scratch` had the checkpoints of the control of `student`, and lost its own."""
    names = ["student", "student.scratch", "student.lock", "student.sweep", "locks", "runs"]
    runs = [Workspace(tmp_path / name) for name in names]
    runs += [Workspace(tmp_path / "a" / name, sweep=tmp_path / "a") for name in names]
    places = [p for run in runs for p in (run.state, run.control_state, run.lock, run.logs)]
    assert len(set(places)) == len(places)
    assert not any(one in other.parents for one in places for other in places)


def test_half_a_state_is_none(tmp_path: Path) -> None:
    """Bug: what a kill leaves of a finished run's state trains everything anew."""
    state = Workspace(tmp_path / "a").state
    state.mkdir(parents=True)
    (state / "stage-0-step-8.safetensors").write_bytes(b"x")
    assert not holds_state(state)
    (state / "state.json").write_text("{}")
    assert holds_state(state)
    forget(state)
    forget(state)
    assert not state.exists()


def test_ctrl_c_after_the_training_says_that_it_is_kept(tmp_path: Path) -> None:
    """Bug: the same command without --resume, which was not named, trained everything anew."""
    with (
        pytest.raises(Stopped, match="interrupted; the training is kept: add --resume"),
        Workspace(tmp_path / "a").state_kept(),
    ):
        raise KeyboardInterrupt


def test_forgetting_the_state_keeps_answers_and_teachers(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "a")
    for folder in (place.state, place.kept, place.teachers):
        folder.mkdir(parents=True)
    place.forget_state()
    assert [folder.exists() for folder in (place.state, place.kept, place.teachers)] == [
        False,
        True,
        True,
    ]
    place.forget_state()


def test_the_versions_that_decide_a_run_are_named() -> None:
    versions = made_with()
    assert {"python", "kdc", "torch", "transformers", "tokenizers"} <= set(versions)
    assert all(versions.values())
