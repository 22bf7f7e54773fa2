from pathlib import Path

import pytest

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
