"""Where the weights of a general student start."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from kdc.compress.corpus.folder import read_corpus
from kdc.compress.general.distill import make_run
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe, read_recipe
from kdc.compress.workspace import Workspace
from tests.general import job, short

HARD = {
    "rows": "corpus",
    "train": {"batch_tokens": 64},
    "start": {"weights": "teacher", "layers": "first"},
    "losses": {"masked_lm": {"soft": 0.0, "hard": 1.0}, "cosine": {}},
}


@pytest.mark.parametrize(
    ("teacher", "student", "recipe"),
    [
        ("teacher", "1x32", short("general-best")),
        ("bare", "1x48", read_recipe(HARD, "hard", "hard")),
        ("teacher", "1x32", read_recipe(HARD, "hard", "hard")),
    ],
    ids=["head to none", "none to head", "head to head"],
)
def test_a_student_starts_from_its_teacher_whichever_of_them_has_a_head(
    places: Path, tmp_path: Path, teacher: str, student: str, recipe: Recipe
) -> None:
    """Bug: the names differ by a prefix, nothing is copied, and the start is random in silence."""
    made = job(places, tmp_path, "", teacher=str(places / teacher), student=student, recipe=recipe)
    run = make_run(made, read_corpus(made.corpus), Workspace(tmp_path), Silent())
    theirs = dict(AutoModel.from_pretrained(places / teacher).named_parameters())
    ours = dict(run.model.base_model.named_parameters())
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight"):
        assert torch.equal(ours[name], theirs[name])
