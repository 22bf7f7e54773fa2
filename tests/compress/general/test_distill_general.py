from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModel, AutoModelForMaskedLM

from kdc.compress.files import read_json, read_manifest
from kdc.compress.general.distill import distill_general
from kdc.compress.general.folder import FORMAT
from kdc.compress.general.job import GeneralJob
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe, load_recipe
from tests.shards import tiny_corpus, tiny_masked_lm
from tests.tiny import tiny_encoder


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("general")
    tiny_masked_lm(folder / "teacher")
    tiny_encoder(folder / "bare", hidden=48)
    tiny_corpus(folder / "shards", folder / "teacher")
    return folder


def short(name: str, **train: Any) -> Recipe:  # noqa: ANN401
    """Return a recipe of small steps."""
    recipe = load_recipe(name)
    changes = {"batch_tokens": 64, "evaluations": 2, **train}
    stages = [replace(stage, train=replace(stage.train, **changes)) for stage in recipe.stages]
    return replace(recipe, stages=tuple(stages))


def job(places: Path, out: Path, recipe: str, **changes: Any) -> GeneralJob:  # noqa: ANN401
    made = GeneralJob(
        corpus=places / "shards",
        recipe=short(recipe),
        out=out,
        student="1x32",
        teacher=str(places / "teacher"),
        device="cpu",
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("recipe", "teacher", "loads"),
    [
        ("general-mlm", "teacher", AutoModelForMaskedLM),
        ("general-distilbert", "teacher", AutoModelForMaskedLM),
        ("general-tinybert", "teacher", AutoModel),
        ("general-minilm", "bare", AutoModel),
        ("general-minilm", "teacher", AutoModel),
    ],
)
def test_every_recipe_makes_an_encoder_that_loads(
    places: Path,
    tmp_path: Path,
    recipe: str,
    teacher: str,
    loads: Any,  # noqa: ANN401
) -> None:
    """Bug: a head that nobody trained, a tied table saved twice, or a folder nothing opens."""
    out = tmp_path / "student"
    metrics = distill_general(job(places, out, recipe, teacher=str(places / teacher)), Silent())
    manifest = read_manifest(out, FORMAT, "encoder")
    assert manifest["parent"].keys() == {"corpus", "teacher"}
    _, info = loads.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"]
    assert read_json(out / "metrics.json") == metrics
    assert metrics["tokens"] > 0
    assert any(key.startswith("held_out_") for key in metrics["held_out"])
    assert not (tmp_path / ".kdc" / "runs" / "student").exists()
