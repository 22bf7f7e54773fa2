from dataclasses import replace
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Widths
from kdc.compress.losses.soft_labels import SoftLabels
from kdc.compress.objectives import build_objectives, needs
from kdc.compress.recipe import load_recipe, recipe_names
from kdc.compress.signals import HIDDEN, LOGITS
from tests.tiny import tiny_data

WIDTHS = Widths(tiny_data().task, 2, 16, 4, 32)


def build(losses: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401
    return build_objectives(replace(load_recipe("hinton"), losses=losses), WIDTHS)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_ships_fits_a_narrower_student(name: str) -> None:
    """Bug: a shipped recipe names an option that its loss does not have."""
    recipe = load_recipe(name)
    found = build_objectives(recipe, WIDTHS)
    weights = {key: options.get("weight", 1.0) for key, options in recipe.losses.items()}
    assert {key: weight for key, (weight, _) in found.items()} == weights


def test_options_reach_the_loss_and_the_weight_does_not() -> None:
    """Bug: every temperature trains as 2."""
    ((weight, loss),) = build({"soft_labels": {"weight": 0.25, "temperature": 5.0}}).values()
    assert weight == 0.25
    assert isinstance(loss, SoftLabels)
    assert loss.temperature == 5.0
    assert build({"hard_labels": {}})["hard_labels"][0] == 1.0


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({"soft_lables": {}}, "loss in recipe hinton 'soft_lables': did you mean soft_labels"),
        ({"soft_labels": {"temprature": 2}}, "option of soft_labels.*did you mean temperature"),
        ({"hard_labels": {"wieght": 2}}, "did you mean weight"),
        ({"soft_labels": {"temperature": "hot"}}, "soft_labels has a bad option"),
        ({"soft_labels": {"temperature": None}}, "soft_labels has a bad option"),
        ({"hidden_states": {"layers": 3}}, "hidden_states has a bad option"),
        ({"hidden_states": {"layers": ["a", "b"]}}, "list of whole numbers"),
        ({"hidden_states": {"layers": "evry-other"}}, "did you mean every-other"),
        ({"hidden_states": {"layers": [0, 1, 2]}}, "must name 2 layers"),
    ],
    ids=str,
)
def test_a_loss_or_option_that_is_unknown_or_wrong_is_named(
    losses: dict[str, dict[str, Any]], words: str
) -> None:
    """Bug: a misspelt option is left out without a word, or ends in a TypeError."""
    with pytest.raises(KdcError, match=words):
        build(losses)


def test_what_a_recipe_asks_a_teacher_for_is_known_beforehand() -> None:
    """Bug: the teacher runs for every batch where its kept logits would do."""
    assert needs(load_recipe("hinton").losses) == {LOGITS}
    assert needs(load_recipe("layers").losses) == {LOGITS, HIDDEN}
    assert needs(load_recipe("finetune").losses) == set()


def test_asking_about_an_unknown_loss_names_it() -> None:
    """Bug: KeyError: `kdc teacher --recipe mine.toml` asks before anything is built."""
    with pytest.raises(KdcError, match="unknown loss 'hard_lables': did you mean hard_labels"):
        needs(["hard_lables"])
