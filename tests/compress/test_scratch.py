from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdc.compress import scratch
from kdc.compress.distill import distill
from kdc.compress.evaluate import predict
from kdc.compress.files import sha256
from kdc.compress.loop import train
from kdc.compress.progress import Silent
from kdc.compress.run import Run
from kdc.compress.scratch import Control, scratch_answers
from kdc.compress.workspace import Workspace
from tests.changes import JobChanges
from tests.tiny import (
    Recorder,
    Stopped,
    tiny_data,
    tiny_job,
    tiny_model,
    tiny_recipe,
    tiny_rows,
    tiny_teacher,
)

TRAINING = "training the control from scratch"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")


def test_it_stands_in_the_report_and_took_as_many_steps(teacher: Path, tmp_path: Path) -> None:
    """Bug: distillation is praised for what labels and 12 steps do alone."""
    progress = Recorder()
    report = distill(tiny_job(teacher, tmp_path / "s", controls=True), progress)
    assert TRAINING in progress.bars
    assert "scratch" in report.dev and "scratch" in report.test
    assert report.left_out == ()
    without = distill(tiny_job(teacher, tmp_path / "t"), Silent())
    assert without.left_out == ("scratch",)
    assert without.dev["student"] == report.dev["student"]


def test_a_student_from_scratch_needs_no_control(teacher: Path, tmp_path: Path) -> None:
    progress = Recorder()
    recipe = tiny_recipe("scratch", learning_rate=2e-3)
    distill(tiny_job(teacher, tmp_path / "s", recipe=recipe, controls=True), progress)
    assert TRAINING not in progress.bars


def test_runs_of_one_shape_seed_and_length_share_it(teacher: Path, tmp_path: Path) -> None:
    """Bug: a sweep of five recipes trains the same control five times; or one of another seed."""
    base = tiny_job(teacher, tmp_path / "a", controls=True)
    other = tiny_recipe("layers", learning_rate=2e-3)
    trained = []
    every: list[JobChanges] = [
        {},
        {"recipe": other},
        {"seed": 1},
        {"student": "2x32"},
        {"embedding_rank": 8},
    ]
    for number, changes in enumerate(every):
        progress = Recorder()
        distill(replace(base, out=tmp_path / str(number), **changes), progress)
        trained.append(TRAINING in progress.bars)
    assert trained == [True, False, True, True, True]


def test_stopped_while_it_trains_the_student_is_not_lost(teacher: Path, tmp_path: Path) -> None:
    """Bug: Ctrl-C in the control's training repeats the student's."""
    job = tiny_job(teacher, tmp_path / "a" / "s", controls=True)
    distill(job, Silent())
    killed = replace(job, out=tmp_path / "b" / "s")
    with pytest.raises(Stopped):
        distill(killed, Recorder(TRAINING, 9))
    progress = Recorder()
    distill(replace(killed, resume=True), progress)
    assert "distilling 1x32: going on at step 12 of 12" in progress.said
    assert f"{TRAINING}: going on at step 8 of 12" in progress.said
    names = sorted(path.name for path in job.out.iterdir())
    assert [sha256(job.out / name) for name in names] == [
        sha256(killed.out / name) for name in names
    ]
    assert not list((tmp_path / "b" / ".kdc" / "runs").glob("s*[!k]"))


def test_who_does_not_want_to_wait_for_it_goes_on_without(teacher: Path, tmp_path: Path) -> None:
    """Bug: --resume --no-controls while the control is trained throws the student away."""
    job = tiny_job(teacher, tmp_path / "s", controls=True)
    with pytest.raises(Stopped):
        distill(job, Recorder(TRAINING, 9))
    progress = Recorder()
    report = distill(replace(job, resume=True, controls=False), progress)
    assert "distilling 1x32: going on at step 12 of 12" in progress.said
    assert TRAINING not in progress.bars and "scratch" not in report.dev
    assert not list((tmp_path / ".kdc" / "runs").glob("s*[!k]"))


def test_its_steps_are_as_large(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a student of 128 rows a step is compared with a control that saw a quarter as many.

    Or the control takes them at once where the student, for want of memory, took parts of them.
    """
    job = tiny_job(teacher, tmp_path / "s", controls=True)
    stages = [
        replace(stage, train=replace(stage.train, batch=64, accumulate=4))
        for stage in job.recipe.stages
    ]
    runs: list[Run] = []

    def trained(run: Run, *args: Any, **named: Any) -> Any:  # noqa: ANN401
        runs.append(run)
        return train(run, *args, **named)

    monkeypatch.setattr(scratch, "train", trained)
    distill(replace(job, recipe=replace(job.recipe, stages=tuple(stages))), Silent())
    trainings = [run.legs[0].training for run in runs]
    assert [(each.batch, each.accumulate) for each in trainings] == [(64, 4)]


def test_it_learns_from_labels_alone(tmp_path: Path) -> None:
    """Bug: a control of random answers makes every student look good."""
    from kdc.compress.models import set_task
    from kdc.compress.rows import Rows
    from tests.student import tiny_tokenizer

    data, config = tiny_data(), tiny_model().config
    set_task(config, data.task)
    train_rows, dev = tiny_rows(data.train), tiny_rows(data.dev)
    rows = Rows(None, tiny_tokenizer(), train_rows, dev, None, 0, 32)
    job = tiny_job(Path("-"), tmp_path / "s")
    found = scratch_answers(job, Control(config, rows, 150, 32), Workspace(job.out), Silent())
    assert set(found) == {"dev"}
    assert (found["dev"].argmax(1) == data.dev.labels).mean() > 0.5
    before = predict(tiny_model().eval(), rows.dev, 0)
    assert np.abs(before - found["dev"]).max() > 0.1
