"""Small runs on a corpus."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from kdc.compress.general.job import GeneralJob
from kdc.compress.recipe import Recipe, load_recipe


def short(name: str, **train: Any) -> Recipe:  # noqa: ANN401
    """Return a recipe of small steps."""
    recipe = load_recipe(name)
    changes = {"batch_tokens": 64, "evaluations": 2, **train}
    stages = [replace(stage, train=replace(stage.train, **changes)) for stage in recipe.stages]
    return replace(recipe, stages=tuple(stages))


def job(places: Path, out: Path, name: str, **changes: Any) -> GeneralJob:  # noqa: ANN401
    made = GeneralJob(
        corpus=places / "shards",
        recipe=short(name or "general-mlm"),
        out=out,
        student="1x32",
        teacher=str(places / "teacher"),
        device="cpu",
    )
    return replace(made, **changes)
