from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import pytest

from kdc.compress.augment import Augmentation
from kdc.compress.errors import KdcError
from kdc.compress.models import Source, find_model
from kdc.compress.plan import make_plan
from kdc.compress.progress import Silent
from kdc.compress.recipe import Recipe
from kdc.compress.stages import ALL, TASK, Stage, Start
from tests.changes import JobChanges
from tests.tiny import tiny_data, tiny_encoder, tiny_job, tiny_teacher

LAYERS = (Stage("layers", {"hidden_states": {}}),)
SOFT: dict[str, dict[str, Any]] = {"soft_labels": {}}
HARD: dict[str, dict[str, Any]] = {"hard_labels": {}}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return find_model(str(tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")), Silent())


def plan(teacher: Source, recipe: Recipe, /, **changes: Unpack[JobChanges]) -> Any:  # noqa: ANN401
    changes["recipe"] = recipe
    job = tiny_job(teacher.folder, teacher.folder / "out", **changes)
    return make_plan(job, teacher)


@pytest.mark.parametrize("weights", ["teacher", "random"])
def test_a_classifier_that_is_drawn_anew_has_to_be_trained(
    teacher: Source, tmp_path: Path, weights: str
) -> None:
    """Bug: a general student's layers learn for hours, and its answers are those of chance."""
    recipe = Recipe("mine", "", "", LAYERS, Start(weights))
    general, sure = tiny_encoder(tmp_path / "general"), tiny_teacher(tmp_path / "sure")
    with pytest.raises(KdcError, match="no stage of mine trains the classifier, which starts at"):
        plan(teacher, recipe, student=str(general))
    other = replace(tiny_data(), task=replace(tiny_data().task, labels=("a", "b", "c", "d")))
    with pytest.raises(KdcError, match="no stage of mine trains the classifier"):
        plan(teacher, recipe, student=str(sure), data=other)
    # a trained student's own is kept, and where a recipe starts does not concern it
    assert plan(teacher, recipe, student=str(sure)).origin is not None


def test_a_student_of_the_teacher_has_the_teachers_classifier(teacher: Source) -> None:
    """Bug: a recipe of states alone is refused, or one that starts at random is not."""
    assert plan(teacher, Recipe("mine", "", "", LAYERS)).origin is None
    with pytest.raises(KdcError, match="no stage of mine trains the classifier"):
        plan(teacher, Recipe("mine", "", "", LAYERS, Start("random")))


@pytest.mark.parametrize(
    ("losses", "rows", "trained"),
    [
        (SOFT, ALL, True),
        (HARD, ALL, False),
        (SOFT, TASK, False),
        ({"soft_labels": {"weight": 0.0}, **HARD}, ALL, False),
    ],
    ids=str,
)
def test_new_texts_that_nothing_is_trained_on_are_refused(
    teacher: Source, losses: dict[str, dict[str, Any]], rows: str, trained: bool
) -> None:
    """Bug: with [losses.soft_labels] deleted [augment] means nothing, and nobody is told."""
    stages = (Stage("mine", losses, rows=rows),)
    recipe = Recipe("mine", "", "", stages, augment=Augmentation(copies=2))
    if trained:
        assert plan(teacher, recipe).origin is None
        return
    with pytest.raises(KdcError, match=r"mine makes new texts.* set copies = 0 in \[augment\], or"):
        plan(teacher, recipe)
    assert plan(teacher, replace(recipe, augment=Augmentation())).origin is None


def test_a_wrong_layer_of_the_start_is_told_from_one_of_a_loss(teacher: Source) -> None:
    """Bug: of a recipe with three layer maps nobody knows which one is wrong."""
    recipe = Recipe("mine", "", "", (Stage("mine", HARD),), Start(layers=(7,)))
    with pytest.raises(KdcError, match=r"^\[start\] of mine: the layer map names layer 7"):
        plan(teacher, recipe)
