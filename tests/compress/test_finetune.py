import json
import os
import signal
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from kdc.compress.augment import Augmentation
from kdc.compress.errors import Finished, KdcError
from kdc.compress.files import read_manifest
from kdc.compress.finetune import FORMAT, TeacherJob, finetune
from kdc.compress.metrics import Score
from kdc.compress.models import find_model
from kdc.compress.progress import Silent
from kdc.compress.recipe import load_recipe
from kdc.compress.workspace import Workspace
from tests.faults import die_at_fsync, exit_code_of
from tests.folders import digests
from tests.tiny import Recorder, tiny_data, tiny_encoder, tiny_recipe, tiny_teacher


def job_of(encoder: Path, out: Path, **changes: Any) -> TeacherJob:  # noqa: ANN401
    recipe = tiny_recipe("finetune", learning_rate=2e-3, epochs=12.0)
    job = TeacherJob(str(encoder), tiny_data(), "tiny", recipe, out, device="cpu")
    return replace(job, **changes)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture(scope="module")
def done(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Score]]:
    out = tmp_path_factory.mktemp("reference") / "teacher"
    return out, finetune(job_of(encoder, out), Silent())


def test_the_folder_is_a_teacher_that_transformers_loads(
    done: tuple[Path, dict[str, Score]],
) -> None:
    """Bug: a teacher without names of classes, or cut at another length than it was trained at."""
    out, scores = done
    model = AutoModelForSequenceClassification.from_pretrained(out).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert list(model.config.id2label.values()) == list(tiny_data().task.labels)
    dev, right = tiny_data().dev, 0
    for text, label in zip(dev.texts, dev.labels, strict=True):
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
        right += int(logits.argmax()) == label
    assert scores["dev"].value == pytest.approx(right / len(dev))
    assert scores["dev"].value > 0.5
    assert tokenizer.model_max_length == 32


def test_every_file_says_what_was_done(encoder: Path, done: tuple[Path, dict[str, Score]]) -> None:
    out, scores = done
    manifest = read_manifest(out, FORMAT, "teacher folder")
    source = find_model(str(encoder), Silent())
    assert manifest["parent"] == {"model": source.digest, "data": tiny_data().digest()}
    assert manifest["task"] == tiny_data().task.as_dict()
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["dev"], metrics["test"]) == (scores["dev"].as_dict(), scores["test"].as_dict())
    assert load_recipe(str(out / "recipe.toml")) == job_of(encoder, out).recipe
    assert tomllib.loads((out / "recipe.toml").read_text())["run"]["model"] == str(encoder)
    assert not Workspace(out).state.exists()


def test_the_same_seed_gives_the_same_bytes(
    encoder: Path, done: tuple[Path, dict[str, Score]], tmp_path: Path
) -> None:
    """Bug: the new head is drawn from whatever the process has drawn before."""
    torch.manual_seed(31)
    finetune(job_of(encoder, tmp_path / "t"), Silent())
    assert digests(tmp_path / "t") == digests(done[0])


def tune_and_die(encoder: str, out: str, at_fsync: int) -> None:
    die_at_fsync(at_fsync)
    finetune(job_of(Path(encoder), Path(out)), Silent())


@pytest.mark.parametrize("at_fsync", [7, 12, 20])
def test_killed_and_resumed_the_folder_is_the_same(
    encoder: Path, done: tuple[Path, dict[str, Score]], tmp_path: Path, at_fsync: int
) -> None:
    out = str(tmp_path / "t")
    assert exit_code_of(tune_and_die, str(encoder), out, at_fsync) == -signal.SIGKILL
    finetune(job_of(encoder, tmp_path / "t", resume=True), Silent())
    assert digests(tmp_path / "t") == digests(done[0])


def test_a_stopped_run_is_not_given_up_without_a_word(
    encoder: Path, done: tuple[Path, dict[str, Score]], tmp_path: Path
) -> None:
    """Bug: who forgets --resume loses the hours before Ctrl-C, and is not told."""
    heard, state = Recorder(), Workspace(tmp_path / "t").state
    state.mkdir(parents=True)
    (state / "state.json").write_text("{}")
    finetune(job_of(encoder, tmp_path / "t"), heard)
    told = f"a run to {tmp_path / 't'} that was stopped is given up; --resume would have gone on"
    assert any(line.startswith(told) for line in heard.said)
    assert digests(tmp_path / "t") == digests(done[0])


def test_what_is_finished_is_not_trained_again(encoder: Path, tmp_path: Path) -> None:
    """Bug: the line of a queue that is run once more costs the whole training."""
    job = job_of(encoder, tmp_path / "t", resume=True)
    finetune(job, Silent())
    with pytest.raises(Finished, match="t is finished: leave --resume out"):
        finetune(job, Silent())


def test_a_teacher_is_not_replaced_without_a_word(encoder: Path, tmp_path: Path) -> None:
    """Bug: a second `kdc teacher` in a folder takes the place of an hour's fine-tuning."""
    job, recorder = job_of(encoder, tmp_path / "t"), Recorder()
    finetune(job, recorder)
    told = f"replacing the teacher in {tmp_path / 't'} once the new one is finished"
    assert told not in recorder.said
    finetune(job, recorder)
    assert told in recorder.said


def test_a_classifier_of_another_task_gets_a_new_head(tmp_path: Path) -> None:
    """Bug: four old classes answer a task that has one score."""
    data = tiny_data("regression")
    job = job_of(tiny_teacher(tmp_path / "old"), tmp_path / "new", data=data)
    scores = finetune(job, Silent())
    assert scores["dev"].metric == "pearson"
    assert scores["dev"].value > 0.5
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["problem_type"] == "regression"
    assert len(config["id2label"]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "hinton"}, "recipe hinton asks a teacher"),
        ({"name": "scratch"}, "scratch starts from random weights, and kdc teacher from --model's"),
        ({"name": "finetune", "augment": Augmentation(copies=2)}, r"finetune has an \[augment\]"),
    ],
)
def test_a_recipe_that_a_teacher_would_follow_in_part_is_refused(
    encoder: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """Bug: [augment] and [start] of a recipe were ignored without a word."""
    recipe = replace(tiny_recipe(changes.pop("name")), **changes)
    with pytest.raises(KdcError, match=words):
        finetune(job_of(encoder, tmp_path / "t", recipe=recipe), Silent())
    assert os.listdir(tmp_path) == []


def test_a_folder_that_holds_something_else_is_untouched(encoder: Path, tmp_path: Path) -> None:
    """Bug: `kdc teacher --out student` replaces a student by its teacher."""
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "manifest.json").write_text('{"format": "kdc.student/1"}')
    progress = Recorder()
    with pytest.raises(KdcError, match="already holds something else"):
        finetune(job_of(encoder, tmp_path / "student"), progress)
    assert progress.bars == []
    assert os.listdir(tmp_path / "student") == ["manifest.json"]
