import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from kdc.compress import ready_teacher
from kdc.compress.artifact import read_student
from kdc.compress.augment import Augmentation
from kdc.compress.data.dataset import Split
from kdc.compress.data.unlabelled import no_labels
from kdc.compress.distill import distill
from kdc.compress.objectives import needs
from kdc.compress.progress import Silent
from kdc.compress.recipe import FINETUNE, load_recipe, recipe_names
from kdc.compress.signals import LOGITS
from kdc.compress.stages import Start
from kdc.compress.task import Kind
from tests.tiny import Recorder, tiny_data, tiny_encoder, tiny_job, tiny_recipe, tiny_teacher

ASKING = "asking the teacher"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")


@pytest.fixture(scope="module")
def deep_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "deep", layers=3)


FOR_TASKS = [name for name in recipe_names() if not load_recipe(name).for_corpus]


@pytest.mark.parametrize("name", [name for name in FOR_TASKS if name != FINETUNE])
def test_every_recipe_that_ships_trains_a_narrower_student(
    deep_teacher: Path, tmp_path: Path, name: str
) -> None:
    """Bug: a shipped recipe asks for what its objectives, stages or new rows cannot give.

    From random weights: what starts in so small a teacher answers as it does, and has only dropout
    to lose by.
    """
    progress = Recorder()
    recipe = tiny_recipe(name, learning_rate=1e-2, narrow_rate=1e-2, epochs=6)
    recipe = replace(recipe, start=Start("random"))
    job = tiny_job(deep_teacher, tmp_path / "s", recipe=recipe, student="2x16", heads=2)
    report = distill(job, progress)
    for number, stage in enumerate(recipe.stages, start=1):
        rows = [row for row in report.history if row["stage"] == number]
        assert all(set(stage.losses) <= set(row) for row in rows)
        assert sum(rows[-1][loss] for loss in stage.losses) < sum(
            rows[0][loss] for loss in stage.losses
        )
    assert any("new texts" in line for line in progress.said) == (recipe.augment.copies > 0)
    asked = any(needs(stage.losses) == {LOGITS} for stage in recipe.stages)
    assert (ASKING in progress.bars) == asked


@pytest.mark.parametrize("name", ["best", "hinton", "minilm"])
def test_a_narrower_student_that_starts_in_its_teacher_answers_as_it_does(
    deep_teacher: Path, tmp_path: Path, name: str
) -> None:
    """Bug: a recipe's own start loses on the way to the loop what it took over."""
    recipe = tiny_recipe(name, learning_rate=2e-5, narrow_rate=2e-5)
    job = tiny_job(deep_teacher, tmp_path / "s", recipe=recipe, student="2x16", heads=2)
    started = distill(job, Silent())
    random = replace(recipe, start=Start("random"))
    other = distill(replace(job, out=tmp_path / "r", recipe=random), Silent())
    assert started.agreement > 0.9 > other.agreement
    read_student(tmp_path / "s")


def test_layers_of_another_width_and_depth(tmp_path: Path) -> None:
    """Bug: the projection between two widths, or a layer map, only fits equal shapes."""
    teacher = tiny_teacher(tmp_path / "teacher", layers=4, hidden=48)
    recipe = tiny_recipe("layers", learning_rate=2e-3)
    job = tiny_job(teacher, tmp_path / "s", recipe=recipe, student="2x32", heads=2)
    report = distill(job, Silent())
    assert report.history[-1]["hidden_states"] < report.history[0]["hidden_states"]
    config = json.loads((tmp_path / "s" / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (2, 32)


@pytest.mark.parametrize(
    ("kind", "pair"),
    [
        ("classification", True),
        ("regression", False),
        ("regression", True),
        ("multi-label", False),
        ("multi-label", True),
    ],
)
def test_pairs_scores_and_several_labels(tmp_path: Path, kind: Kind, pair: bool) -> None:
    data = tiny_data(kind, pair=pair)
    teacher = tiny_teacher(tmp_path / "teacher", data)
    recipe = tiny_recipe(learning_rate=2e-3)
    job = tiny_job(teacher, tmp_path / "s", data=data, recipe=recipe, student="2x32")
    report = distill(job, Silent())
    student = read_student(tmp_path / "s")
    assert report.dev["student"].value > 0.5
    assert student.task == data.task
    dev = student.dev()
    assert (dev.pairs is not None) == pair
    assert bool(dev.types.any()) == pair
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "s").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "s")
    texts = (dev.texts[3], dev.pairs[3]) if dev.pairs else (dev.texts[3],)
    with torch.no_grad():
        logits = model(**tokenizer(*texts, return_tensors="pt")).logits[0].numpy()
    assert dev.logits is not None
    np.testing.assert_allclose(logits, dev.logits[3], atol=1e-5)


def test_it_is_fine_tuned_once_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a head of random weights teaches noise; or every run trains the teacher anew."""
    quick = tiny_recipe(FINETUNE, learning_rate=2e-3, epochs=12.0)
    monkeypatch.setattr(ready_teacher, "load_recipe", lambda name: quick)
    encoder = tiny_encoder(tmp_path / "encoder")
    first, second = Recorder(), Recorder()
    report = distill(tiny_job(encoder, tmp_path / "a"), first)
    distill(tiny_job(encoder, tmp_path / "b"), second)
    assert report.dev["teacher"].value > 0.5
    assert "fine-tuning the teacher" in first.bars
    assert "fine-tuning the teacher" not in second.bars
    assert any("fine-tuned before" in line for line in second.said)
    parents = [read_student(tmp_path / name).manifest["parent"] for name in "ab"]
    assert parents[0] == parents[1]


def test_new_texts_of_several_labels_teach_by_the_teacher_alone(tmp_path: Path) -> None:
    """Bug: an unlabelled row of another shape than the labelled ones, or one of zeros."""
    data = tiny_data("multi-label")
    teacher = tiny_teacher(tmp_path / "teacher", data)
    extra = Split(["wake me up now", "play it"], None, no_labels(data.task, 2))
    recipe = replace(tiny_recipe("turc", learning_rate=2e-3), augment=Augmentation(copies=1))
    out = tmp_path / "s"
    job = tiny_job(teacher, out, data=data, recipe=recipe, unlabelled=extra, student="2x32")
    progress = Recorder()
    report = distill(job, progress)
    assert any("new texts of" in line for line in progress.said)
    assert report.history[-1]["hard_labels"] > 0
    assert read_student(out).task.kind == "multi-label"
