from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kdc.compress import loop
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.distill import distill
from kdc.compress.finetune import TeacherJob, finetune
from kdc.compress.models import find_model, load_classifier
from kdc.compress.progress import Silent
from kdc.compress.score_scale import ScoreScale
from tests.tiny import (
    Recorder,
    Stopped,
    tiny_data,
    tiny_encoder,
    tiny_job,
    tiny_model,
    tiny_recipe,
    tiny_teacher,
)

IDS = torch.arange(5, 29).reshape(4, 6)


def scaled(times: float, plus: float) -> Dataset:
    """Return tiny rows whose scores are on another scale."""
    data = tiny_data("regression")

    def moved(split: Split) -> Split:
        return replace(split, labels=(split.labels * times + plus).astype(np.float32))

    assert data.test is not None
    return replace(data, train=moved(data.train), dev=moved(data.dev), test=moved(data.test))


def job(encoder: Path, out: Path, data: Dataset, resume: bool = False) -> TeacherJob:
    recipe = tiny_recipe("finetune", learning_rate=2e-3, epochs=20.0)
    return TeacherJob(str(encoder), data, "tiny", recipe, out, device="cpu", resume=resume)


def test_scores_of_any_scale_are_learned(tmp_path: Path) -> None:
    """Bug: Pearson 95 for scores of 0 to 5, and 18 for the same ones times 1,000."""
    encoder, found = tiny_encoder(tmp_path / "encoder"), []
    for times, plus in ((1.0, 0.0), (1000.0, -300.0), (0.001, 7.0)):
        out = tmp_path / f"{times}"
        found.append(finetune(job(encoder, out, scaled(times, plus)), Silent())["dev"].value)
        answers = load_classifier(find_model(str(out), Silent()))(input_ids=IDS).logits
        assert answers.mean().item() == pytest.approx(2 * times + plus, abs=2.5 * times)
    assert found == pytest.approx([found[0]] * 3, abs=1e-3) and found[0] > 0.8


def test_a_student_learns_the_scores_of_its_teacher(tmp_path: Path) -> None:
    """Bug: what a student takes over of its teacher's head is scaled twice, or not at all."""
    encoder, data = tiny_encoder(tmp_path / "encoder"), scaled(100.0, 50.0)
    finetune(job(encoder, tmp_path / "teacher", data), Silent())
    recipe = tiny_recipe("hinton", learning_rate=2e-3, epochs=20.0)
    chosen = tiny_job(tmp_path / "teacher", tmp_path / "student", data=data, recipe=recipe)
    report = distill(chosen, Silent())
    assert report.dev["student"].value > 0.8
    model = load_classifier(find_model(str(tmp_path / "student"), Silent()))
    assert 0 < model(input_ids=IDS).logits.mean().item() < 600


def test_what_a_model_answers_does_not_change_by_it() -> None:
    """Bug: a model that goes on from a trained one begins with other answers."""
    scale, model = ScoreScale(40.0, 12.0), tiny_model(outputs=1).eval()
    with torch.no_grad():
        model.classifier.bias.fill_(37.0)
        before = model(input_ids=IDS).logits
        scale.begin(model)
        with scale.behind(model):
            torch.testing.assert_close(model(input_ids=IDS).logits, before)
        scale.end(model)
        torch.testing.assert_close(model(input_ids=IDS).logits, before)


def test_a_new_head_begins_at_the_mean() -> None:
    scale, model = ScoreScale(4000.0, 12.0), tiny_model(outputs=1).eval()
    with torch.no_grad():
        plain = model(input_ids=IDS).logits
        scale.begin(model)
        scale.end(model)
        torch.testing.assert_close(model(input_ids=IDS).logits, 12 * plain + 4000)


def test_rows_without_a_score_do_not_count() -> None:
    """Bug: augmented rows, whose scores are NaN, make the mean NaN."""
    found = ScoreScale.of(np.array([1, 3, np.nan], dtype=np.float32))
    assert found == ScoreScale(2.0, 1.0)
    assert ScoreScale.of(np.array([2, 2, np.nan], dtype=np.float32)) is None


def test_stopped_and_resumed_the_teacher_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a resumed run scales the head that it has kept once more."""
    monkeypatch.setattr(loop, "_SAVE_SECONDS", -1.0)
    encoder, data = tiny_encoder(tmp_path / "encoder"), scaled(10.0, 5.0)
    finetune(job(encoder, tmp_path / "whole", data), Silent())
    with pytest.raises(Stopped):
        finetune(job(encoder, tmp_path / "parts", data), Recorder("fine-tuning", 7))
    finetune(job(encoder, tmp_path / "parts", data, resume=True), Silent())
    whole, parts = (tmp_path / name / "model.safetensors" for name in ("whole", "parts"))
    assert parts.read_bytes() == whole.read_bytes()


def test_a_teacher_of_scores_is_left_as_it_was(tmp_path: Path) -> None:
    """Bug: the teacher is scaled with the student."""
    teacher = tiny_teacher(tmp_path / "teacher", tiny_data("regression"))
    before = (teacher / "model.safetensors").read_bytes()
    data = tiny_data("regression")
    report = distill(tiny_job(teacher, tmp_path / "student", data=data), Silent())
    assert report.dev["teacher"].value > 0.5
    assert (teacher / "model.safetensors").read_bytes() == before
