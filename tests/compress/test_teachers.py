import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pytest
import torch

from kdc.compress import ready_teacher, teachers
from kdc.compress.arrays import Logits
from kdc.compress.distill import distill
from kdc.compress.encode import Batch
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.files import read_json, write_json
from kdc.compress.ground import find_encoders
from kdc.compress.job import StudentJob
from kdc.compress.progress import Silent
from kdc.compress.recipe import FINETUNE
from kdc.compress.signals import HEADS, HIDDEN, LOGITS, KeptTeacher, OnlineTeacher, Signals
from kdc.compress.teachers import Teachers, ready_teachers
from kdc.compress.workspace import Workspace
from tests.changes import JobChanges
from tests.families import attention_changes
from tests.tiny import (
    POSITIONS,
    Recorder,
    save_model,
    tiny_config,
    tiny_data,
    tiny_encoder,
    tiny_job,
    tiny_recipe,
    tiny_teacher,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two teachers of one task, of other widths and depths."""
    root = tmp_path_factory.mktemp("models")
    return str(tiny_teacher(root / "one")), str(tiny_teacher(root / "two", layers=3, hidden=48))


def two(folders: tuple[str, ...], out: Path, **changes: Unpack[JobChanges]) -> StudentJob:
    changes["teachers"] = folders
    return tiny_job(Path("-"), out, **changes)


def ready(job: StudentJob) -> Teachers:
    return ready_teachers(job, find_encoders(job, Silent()), Workspace(job.out), Silent())


def reordered(source: str, folder: Path, names: list[str]) -> str:
    """Write a teacher whose classes have these names, in this order."""
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(source)
    own = [model.config.id2label[index] for index in range(4)]
    order = [own.index(name) if name in own else index for index, name in enumerate(names)]
    with torch.no_grad():
        model.classifier.weight.copy_(model.classifier.weight[order].clone())
        model.classifier.bias.copy_(model.classifier.bias[order].clone())
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: index for index, name in enumerate(names)}
    return str(save_model(folder, model))


def test_the_student_hears_the_weighted_mean(folders: tuple[str, str], tmp_path: Path) -> None:
    """Bug: the second teacher's rows are in another order, or its weight never counts."""
    job = two(folders, tmp_path / "s", teacher_weights=(3.0, 1.0))
    found = ready(job)
    rows = found.first.rows.train
    signals = found.signals(frozenset({LOGITS}), [rows], Workspace(job.out), Silent())
    by_hand = np.zeros((len(rows), 4))
    for member, share in zip(found.members, (0.75, 0.25), strict=True):
        for index in range(len(rows)):
            ids = torch.from_numpy(member.rows.train.row(index)[0])[None]
            with torch.no_grad():
                by_hand[index] += share * member.model(input_ids=ids).logits[0].numpy()
    assert isinstance(signals, KeptTeacher)
    near = signals.logits.numpy() - by_hand
    assert np.abs(near).max() < 0.05  # the teacher may answer in bf16
    assert len(list((tmp_path / ".kdc" / "kept").glob("*.safetensors"))) == 2


def test_states_are_the_first_teachers_and_logits_are_everybodys(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    job, progress = two(folders, tmp_path / "s"), Recorder()
    found, place = ready(job), Workspace(job.out)
    rows = found.first.rows.train
    batch = teachers_batch(found)
    mean = found.signals(frozenset({LOGITS}), [rows], place, Silent())(batch)
    both = found.signals(frozenset({LOGITS, HIDDEN}), [rows], place, progress)(batch)
    assert torch.equal(both.logits, mean.logits)
    assert [state.shape[-1] for state in both.hidden] == [32] * 3
    assert progress.said[0] == f"{folders[0]} alone gives hidden states"
    heads = found.signals(frozenset({HEADS}), [rows], place, Silent())(batch)
    assert len(heads.queries) == 2


@attention_changes
def test_the_first_of_several_runs_as_fast_as_a_lone_one(
    folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: its attention is not suited to the device, which costs a tenth of its time."""
    recipe = tiny_recipe("layers", epochs=0.1, evaluations=1)
    monkeypatch.setattr("kdc.compress.runtime.plain_attention", lambda *_: True)
    chosen: list[str] = []
    answer = OnlineTeacher.__call__

    def spy(self: OnlineTeacher, batch: Batch) -> Signals:
        chosen.append(self.model.config._attn_implementation)
        return answer(self, batch)

    monkeypatch.setattr(OnlineTeacher, "__call__", spy)
    distill(two(folders, tmp_path / "s", recipe=recipe), Silent())
    assert set(chosen) == {"eager"}


def teachers_batch(found: Teachers) -> Any:  # noqa: ANN401
    from kdc.compress.encode import Batches

    rows = found.first.rows
    return Batches(rows.train, rows.padding, torch.device("cpu")).make(np.arange(8))


def test_new_rows_are_asked_in_each_teachers_own_tokens(
    folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a teacher with another tokenizer is shown ids that mean other words to it."""
    job = two(folders, tmp_path / "s")
    found = ready(job)
    dev = found.first.rows.dev
    asked: list[Any] = []
    monkeypatch.setattr(teachers, "same_tokenizer", lambda one, other: one is other)

    def answer(folder: Path, who: str, model: Any, rows: Examples, *rest: object) -> Logits:  # noqa: ANN401
        asked.append((model, rows))
        return np.zeros((len(rows), 4), np.float32)

    monkeypatch.setattr(teachers, "kept_logits", answer)
    parts = [found.first.rows.train, dev]
    found.signals(frozenset({LOGITS}), parts, Workspace(job.out), Silent())
    assert [rows is part for (_, rows), part in zip(asked, parts, strict=False)] == [True, True]
    assert asked[2][1] is found.members[1].rows.train
    assert asked[3][1] is not dev
    assert asked[3][1].texts == dev.texts


def test_all_teachers_cut_a_text_alike(folders: tuple[str, str], tmp_path: Path) -> None:
    """Bug: recipe.toml holds the first one's length, with which a repeated run reads for all."""
    short = tmp_path / "short"
    shutil.copytree(folders[1], short)
    write_json(short / "manifest.json", {"max_length": 8})
    found = ready(two((folders[0], str(short)), tmp_path / "s"))
    assert [member.rows.max_length for member in found.members] == [POSITIONS, POSITIONS]
    found = ready(two((str(short), folders[0]), tmp_path / "s"))
    assert [member.rows.max_length for member in found.members] == [8, 8]


def test_the_report_holds_the_mean_and_each(folders: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "s"
    report = distill(two(folders, out), Silent())
    names = ["teacher", *(f"teacher {name}" for name in folders), "student"]
    assert list(report.dev)[:4] == names
    assert report.dev["teacher"].value > 0.9
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(names[1:3]) <= set(metrics["baselines"])
    run = tomllib.loads((out / "recipe.toml").read_text())["run"]
    assert (run["teacher"], run["teachers"]) == (" + ".join(folders), list(folders))


def test_classes_in_another_order_are_aligned_by_name(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    """Bug: the mean of `music` of one teacher and `stop` of the other is everybody's lesson."""
    other = reordered(folders[0], tmp_path / "t", ["room", "alarm", "silence", "music"])
    data, progress = tiny_data(), Recorder()
    plain = distill(two(folders[:1], tmp_path / "a"), Silent())
    found = distill(two((folders[0], other), tmp_path / "b"), progress)
    assert f"the teacher {other}'s classes stand in another order" in "\n".join(progress.said)
    assert found.dev["teacher"] == plain.dev["teacher"]
    assert found.dev[f"teacher {other}"] == plain.dev["teacher"]
    assert data.task.labels[0] == "alarm"


def test_classes_of_another_name_are_refused_and_the_teacher_named(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    other = reordered(folders[1], tmp_path / "t", ["alarm", "music", "silence", "kitchen"])
    with pytest.raises(KdcError, match=f"^{other}: the teacher's classes .*another task"):
        distill(two((folders[0], other), tmp_path / "s"), Silent())


def test_a_second_teacher_that_nobody_would_hear_is_refused(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    """Bug: it is fine-tuned for an hour, weighed, written into recipe.toml, and never asked."""
    recipe = tiny_recipe("scratch")
    hard: dict[str, dict[str, Any]] = {"hard_labels": {}}
    more = {**hard, "relations": {}, "soft_labels": {"weight": 0}}
    for losses in (hard, more):
        stages = tuple(replace(stage, losses=losses) for stage in recipe.stages)
        job = replace(two(folders, tmp_path / "s"), recipe=replace(recipe, stages=stages))
        with pytest.raises(KdcError, match=r"scratch asks no teacher for its logits, .* give one"):
            distill(job, Silent())


def test_orders_that_the_data_cannot_decide_between_are_refused(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    """Bug: the data have numbers for classes, and two teachers' are averaged crossed."""
    other = reordered(folders[0], tmp_path / "t", ["alarm", "music", "room", "silence"])
    data = tiny_data()
    numbered = replace(data, task=replace(data.task, labels=("0", "1", "2", "3")))
    job = replace(two((folders[0], other), tmp_path / "s"), data=numbered)
    with pytest.raises(KdcError, match=r"class 2 of the data is '(\w+)' to .* and '(?!\1)\w+' to"):
        distill(job, Silent())


def test_one_that_knows_nothing_is_named(folders: tuple[str, str], tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    config = tiny_config()
    config.id2label = dict(enumerate(tiny_data().task.labels))
    blank = BertForSequenceClassification(config)
    torch.nn.init.zeros_(blank.classifier.weight)
    other = str(save_model(tmp_path / "t", blank))
    with pytest.raises(KdcError, match=f"^{other}: the teacher scores.*fine-tune it"):
        distill(two((folders[0], other), tmp_path / "s"), Silent())


def test_the_one_whose_names_are_wrong_is_named_with_its_own_order(
    folders: tuple[str, str], tmp_path: Path
) -> None:
    """Bug: the mean is found wrong, which has no name, or the order is the data's and not its."""
    other = reordered(folders[1], tmp_path / "t", ["silence", "music", "alarm", "room"])
    config = read_json(tmp_path / "t" / "config.json")
    config["id2label"] = dict(enumerate(["room", "alarm", "music", "silence"]))
    write_json(tmp_path / "t" / "config.json", config)
    said = "seem to be in the order silence, music, alarm, room .100.0 % right.: write it into id2l"
    for names in [(other,), (folders[0], other), (other, folders[0])]:
        start = "" if len(names) == 1 else f"{other}: "
        with pytest.raises(KdcError, match=f"^{start}the teacher scores .* {said}"):
            distill(two(names, tmp_path / "s"), Silent())


def test_a_bare_encoder_among_them_is_fine_tuned_first(
    folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tiny_recipe(FINETUNE, learning_rate=2e-3, epochs=12.0)
    monkeypatch.setattr(ready_teacher, "load_recipe", lambda name: quick)
    encoder, progress = str(tiny_encoder(tmp_path / "encoder")), Recorder()
    report = distill(two((folders[0], encoder), tmp_path / "s"), progress)
    assert "fine-tuning the teacher" in progress.bars
    assert report.dev[f"teacher {encoder}"].value > 0.5


def test_other_weights_are_another_run(folders: tuple[str, str], tmp_path: Path) -> None:
    """Bug: --resume with other weights goes on with the half-trained student."""
    job = two(folders, tmp_path / "s")
    with pytest.raises(Exception, match="distilling"):
        distill(job, Recorder("distilling", 9))
    with pytest.raises(KdcError, match="give the same options to --resume it"):
        distill(replace(job, teacher_weights=(2.0, 1.0), resume=True), Silent())
