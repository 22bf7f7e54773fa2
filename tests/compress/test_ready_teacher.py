import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kdc.compress import loop
from kdc.compress import ready_teacher as module
from kdc.compress.errors import KdcError
from kdc.compress.locks import lock
from kdc.compress.models import Source, find_model, is_classifier, read_config
from kdc.compress.ready_teacher import ready_teacher
from kdc.compress.workspace import Workspace
from tests.tiny import Recorder, Stopped, tiny_data, tiny_encoder, tiny_recipe, tiny_teacher


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


def test_a_stopped_fine_tuning_goes_on_however_the_data_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: `reviews.csv` stopped, `./reviews.csv` was refused for ever, with no way out."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    encoder, place = tiny_encoder(tmp_path / "encoder"), Workspace(tmp_path / "student")
    with pytest.raises(Stopped):
        ready(encoder, place, Recorder("fine-tuning", 3))
    progress = Recorder()
    monkeypatch.chdir(tmp_path)
    made = ready(Path("encoder"), place, progress)
    assert any("going on at step" in line for line in progress.said), progress.said
    assert is_classifier(read_config(made.folder))


def test_a_damaged_state_is_started_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: every later run said to leave out a --resume that was never given."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    encoder, place = tiny_encoder(tmp_path / "encoder"), Workspace(tmp_path / "student")
    with pytest.raises(Stopped):
        ready(encoder, place, Recorder("fine-tuning", 3))
    state = next((tmp_path / ".kdc").rglob("stage-0-step-*.safetensors"))
    state.write_bytes(state.read_bytes()[:-1] + b"?")
    progress = Recorder()
    assert is_classifier(read_config(ready(encoder, place, progress).folder))
    assert any("starts over" in line and state.name in line for line in progress.said)


def test_of_two_runs_one_waits_for_the_teacher_of_the_other(tmp_path: Path) -> None:
    """Bug: the second of two runs beside each other ended, and was told to choose another --out."""
    encoder, place = tiny_encoder(tmp_path / "encoder"), Workspace(tmp_path / "student")
    made = ready(encoder, place, Recorder())
    aside = made.folder.with_name("aside")
    made.folder.rename(aside)
    second = Recorder()
    with ThreadPoolExecutor(1) as pool:
        with lock(Workspace(made.folder).lock, "the first"):
            waiting = pool.submit(ready, encoder, place, second)
            while not second.said:
                time.sleep(0.01)
            assert second.said[0].startswith("waiting for the run that is fine-tuning")
            aside.rename(made.folder)
        assert waiting.result() == made
    assert "fine-tuned before" in second.said[-1]
    assert not any("fine-tuning the teacher" in bar for bar in second.bars)


def test_a_kept_teacher_that_was_changed_is_refused_by_name(tmp_path: Path) -> None:
    """Bug: a bit that flips on the disk changes every later student."""
    encoder, place = tiny_encoder(tmp_path / "encoder"), Workspace(tmp_path / "student")
    weights = ready(encoder, place, Recorder()).folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(KdcError, match=r"model\.safetensors does not match its sha256"):
        ready(encoder, place, Recorder())
