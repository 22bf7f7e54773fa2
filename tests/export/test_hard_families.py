"""Families whose int8 files are known to be silently broken elsewhere, trained for a moment."""

from pathlib import Path

import pytest
import torch

from kdc.compress.distill import distill
from kdc.compress.errors import GateFailed
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe
from tests.families import family_model
from tests.shipping import export
from tests.tiny import own_rng, save_model, tiny_data, tiny_job, tiny_recipe, tiny_rows


def taught(family: str, folder: Path) -> Path:
    """Write a teacher of a family that has learnt the tiny task."""
    data = tiny_data()
    model = family_model(family, outputs=4).train()
    model.config.id2label = dict(enumerate(data.task.labels))
    model.config.label2id = {name: index for index, name in model.config.id2label.items()}
    rows = tiny_rows(data.train)
    texts = [torch.from_numpy(rows.row(index)[0]) for index in range(len(rows))]
    ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    with own_rng():
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        for _ in range(80):
            out = model(ids, attention_mask=(ids > 0).long(), labels=torch.from_numpy(rows.labels))
            out.loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return save_model(folder, model.eval())


def recipe() -> Recipe:
    return tiny_recipe(learning_rate=3e-3, epochs=12.0)


@pytest.mark.parametrize("family", ["albert", "mobilebert"])
def test_int8_passes_the_gate_or_is_refused_with_figures(family: str, tmp_path: Path) -> None:
    """ALBERT's F1 fell from .80 to .05 in others' int8, and nobody was told."""
    teacher, student = taught(family, tmp_path / "teacher"), tmp_path / "student"
    job = tiny_job(teacher, student, student="2x32", recipe=recipe())
    report = distill(job, Silent())
    assert report.dev["student"].value > report.dev["majority"].value + 0.2
    phone = tmp_path / "phone"
    try:
        shipped = export(student, phone, method="int8-dynamic")
    except GateFailed as error:
        assert "points lost, 95 % interval" in str(error)
        assert not phone.exists()
        assert not (tmp_path / "student.onnx").exists()
    else:
        assert shipped.outcome.shipped.drop.points <= 1.0
        assert shipped.outcome.shipped.score.value >= report.dev["student"].value - 0.0101
