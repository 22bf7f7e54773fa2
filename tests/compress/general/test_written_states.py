from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kdc.compress.errors import KdcError
from kdc.compress.files import read_json, sha256, write_json
from kdc.compress.general import teach
from kdc.compress.general.distill import distill_general
from kdc.compress.general.job import GeneralJob
from kdc.compress.labelling.label import LabelJob, label
from kdc.compress.labels.method import Method
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe, load_recipe

WORDS_AND_STATES = Method("full", bits=16, temperature=2.0, states=(2,))
Written = Callable[[Method], Path]


@pytest.fixture
def written(places: Path, tmp_path: Path) -> Written:
    def write(method: Method) -> Path:
        out = tmp_path / "labels"
        teacher = str(places / "teacher")
        label(LabelJob(places / "shards", teacher, method, out, device="cpu"), Silent())
        return out

    return write


def of_losses(losses: dict[str, Any]) -> Recipe:
    """Return a recipe of these losses, over both maskings of every sequence."""
    recipe = load_recipe("general-distilbert")
    stage = recipe.stages[0]
    train = replace(
        stage.train, epochs=2, batch_tokens=64, evaluations=4, dropout=0.0, learning_rate=2e-3
    )
    stages = (replace(stage, train=train, losses=losses),)
    return replace(recipe, stages=stages, start=load_recipe("general-mlm").start)


def losses_of(places: Path, out: Path, recipe: Recipe, **more: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Train a student of another width, and return what every judging found."""
    made = GeneralJob(
        corpus=places / "shards",
        recipe=recipe,
        out=out,
        student="2x16",
        heads=2,
        teacher=str(places / "teacher"),
        device="cpu",
        **more,
    )
    history: list[dict[str, Any]] = distill_general(made, Silent())["history"]
    return history


@pytest.mark.parametrize(
    ("losses", "method"),
    [
        ({"cosine": {}}, Method("none", states=(2,))),
        ({"embeddings": {}}, Method("none", states=(0, 2))),
        ({"hidden_states": {}}, Method("none", states=(1, 2))),
        ({"patient": {}}, Method("none", states=(1,))),
        ({"pooled": {"pool": "cls"}}, Method("none", states=(2,), pooled=True)),
        ({"pooled": {}}, Method("none", pooled=True)),
        ({"masked_lm": {"temperature": 2.0}, "cosine": {}}, WORDS_AND_STATES),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_written_states_teach_what_the_teacher_does(
    places: Path,
    tmp_path: Path,
    written: Written,
    monkeypatch: pytest.MonkeyPatch,
    losses: dict[str, Any],
    method: Method,
) -> None:
    """Bug: states of another token, layer or masking, or a teacher that runs beside its labels."""
    recipe, labels = of_losses(losses), written(method)
    asked = losses_of(places, tmp_path / "asked", recipe)
    monkeypatch.setattr(teach, "load_masked_lm", None)
    read = losses_of(places, tmp_path / "read", recipe, labels=labels)
    assert len(read) == len(asked) > 2
    for name in losses:
        for key in (name, f"held_out_{name}"):
            values = [row[key] for row in asked]
            assert [row[key] for row in read] == pytest.approx(values, rel=0.02)
            assert values[-1] != values[0]


def test_states_of_a_teacher_that_runs_anyway_are_its_own(
    places: Path, tmp_path: Path, written: Written
) -> None:
    """Bug: words from labels and states of none of its layers: a loss over nothing."""
    recipe = of_losses({"masked_lm": {"temperature": 2.0}, "embeddings": {}})
    asked = losses_of(places, tmp_path / "asked", recipe)
    read = losses_of(places, tmp_path / "read", recipe, labels=written(WORDS_AND_STATES))
    for name in ("masked_lm", "embeddings"):
        values = [row[name] for row in asked]
        assert [row[name] for row in read] == pytest.approx(values, rel=0.02)


@pytest.mark.parametrize(
    ("losses", "method", "advice"),
    [
        ({"relations": {}}, Method("topk", 8), "take another recipe"),
        ({"cosine": {}}, Method("none", states=(1,)), "label with --states 2$"),
        ({"pooled": {"pool": "cls"}}, Method("none", pooled=True), "label with --states 2$"),
        ({"masked_lm": {}, "embeddings": {}, "cosine": {}}, Method("none", states=(1,)),
         "label with --draws 20 --states 0,2$"),
    ],
)  # fmt: skip
def test_labels_that_a_recipe_does_not_read_are_refused(
    places: Path,
    tmp_path: Path,
    written: Written,
    losses: dict[str, Any],
    method: Method,
    advice: str,
) -> None:
    """Bug: hours of labelling, and the teacher runs all the same without a word."""
    labels = written(method)
    with pytest.raises(KdcError, match=rf"recipe general-distilbert does not .* out, or {advice}"):
        losses_of(places, tmp_path / "never", of_losses(losses), labels=labels)


@pytest.mark.parametrize("pooled", [False, True])
def test_states_of_another_size_are_found_before_training(
    places: Path, tmp_path: Path, written: Written, pooled: bool
) -> None:
    """Bug: an index error, or the next sequence's states, in the middle of a run."""
    method = Method("none", pooled=True) if pooled else Method("none", states=(2,))
    path = written(method) / "shard-00001.safetensors"
    arrays = load_file(path)
    save_file({name: np.ascontiguousarray(rows[1:]) for name, rows in arrays.items()}, path)
    fields = read_json(path.with_suffix(".json"))
    fields |= {"sha256": sha256(path), "bytes": path.stat().st_size}
    write_json(path.with_suffix(".json"), fields)
    recipe = of_losses({"pooled": {}} if pooled else {"cosine": {}})
    with pytest.raises(KdcError, match=r"shard-00001\.safetensors is damaged: states of shape"):
        losses_of(places, tmp_path / "never", recipe, labels=path.parent)
