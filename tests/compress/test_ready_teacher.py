from pathlib import Path

import pytest

from kdc.compress import ready_teacher as module
from kdc.compress.errors import KdcError
from kdc.compress.models import Source, find_model, is_classifier, read_config
from kdc.compress.ready_teacher import ready_teacher
from kdc.compress.workspace import Workspace
from tests.tiny import Recorder, tiny_data, tiny_encoder, tiny_recipe, tiny_teacher


@pytest.fixture(autouse=True)
def short_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tune for 6 steps in place of 600."""
    short = tiny_recipe("finetune", epochs=1.0)
    monkeypatch.setattr(module, "load_recipe", lambda _: short)


def ready(model: Path, place: Workspace, progress: Recorder, seed: int = 0) -> Source:
    source = find_model(str(model), progress)
    return ready_teacher(
        source, tiny_data(), "tiny", place, progress, seed=seed, device="cpu", max_length=None
    )


def test_a_teacher_with_a_head_is_taken_as_it_is(tmp_path: Path) -> None:
    """Bug: a fine-tuned teacher is fine-tuned again, and another one than the user named."""
    folder, progress = tiny_teacher(tmp_path / "teacher"), Recorder()
    assert ready(folder, Workspace(tmp_path / "student"), progress).folder == folder
    assert progress.said == []
    assert not (tmp_path / ".kdc").exists()


def test_a_bare_encoder_is_fine_tuned_once_and_kept(tmp_path: Path) -> None:
    """Bug: minutes of fine-tuning before every run, or a teacher of other data used again."""
    encoder, place = tiny_encoder(tmp_path / "encoder"), Workspace(tmp_path / "student")
    first, again, other = Recorder(), Recorder(), Recorder()
    made = ready(encoder, place, first)
    assert is_classifier(read_config(made.folder))
    assert made.folder.parent == place.teachers
    assert "fine-tuning" in first.said[0]
    assert ready(encoder, place, again) == made
    assert "before" in again.said[0]
    assert not any("fine-tuning the teacher" in bar for bar in again.bars)
    assert ready(encoder, place, other, seed=1).folder != made.folder


def test_a_kept_teacher_that_was_changed_is_refused_by_name(tmp_path: Path) -> None:
    """Bug: a bit that flips on the disk changes every later student."""
    encoder, place = tiny_encoder(tmp_path / "encoder"), Workspace(tmp_path / "student")
    weights = ready(encoder, place, Recorder()).folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(KdcError, match=r"model\.safetensors does not match its sha256"):
        ready(encoder, place, Recorder())
