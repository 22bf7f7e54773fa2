from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdc.compress import ground
from kdc.compress.ground import find_encoders, make_ground
from kdc.compress.models import Source
from kdc.compress.teachers import Teachers
from kdc.compress.workspace import Workspace
from tests.compress.test_encode import byte_level_folder
from tests.tiny import Recorder, tiny_data, tiny_job, tiny_teacher


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")


def test_what_the_apps_cannot_read_is_told_before_anything_is_trained(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: hours of training, an export that ships, and only `kdc bundle` refuses."""
    said = Recorder()
    find_encoders(tiny_job(teacher, tmp_path / "s"), said)
    assert said.said == []
    roberta = Source("roberta", byte_level_folder(tmp_path / "roberta"), "")
    monkeypatch.setattr(ground, "find_model", lambda name, progress: roberta)
    find_encoders(tiny_job(teacher, tmp_path / "s"), said)
    (line,) = said.said
    assert line.startswith("roberta has a BPE tokenizer: its student can be exported and measured,")


@pytest.mark.parametrize("right", [0.3, 1.0])
def test_a_teacher_that_needs_no_transformer_to_be_beaten_is_told(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: float
) -> None:
    """Bug: an hour later a table shows a student as good as its teacher, and both are useless."""
    labels = tiny_data().dev.labels

    def fixed(*given: Any) -> Any:  # noqa: ANN401
        logits = np.eye(4, dtype=np.float32)[labels]
        logits[: round((1 - right) * len(labels))] = [0, 0, 0, 0.5]
        return {"bag_of_words": {"dev": np.eye(4)[labels]}, "static_embeddings": {"dev": logits}}

    weak = fixed()["static_embeddings"]
    monkeypatch.setattr(ground, "controls", fixed)
    monkeypatch.setattr(ground, "check_teachers", lambda *given: None)
    monkeypatch.setattr(Teachers, "answers", lambda self, progress: {"teacher": weak})
    job = tiny_job(teacher, tmp_path / "s")
    said = Recorder()
    make_ground(job, find_encoders(job, said), Workspace(job.out), said)
    told = [line for line in said.said if line.startswith("a bag of words scores 100.0 % on dev")]
    assert len(told) == (right < 1)
    if told:
        assert told[0].endswith(
            "train the teacher for longer (kdc teacher --epochs), or take another"
        )
