"""From a recipe's losses to objectives that fit two models."""

from collections.abc import Iterable
from inspect import signature

from kdc.compress.errors import KdcError, unknown
from kdc.compress.learner import Objectives
from kdc.compress.losses import LOSSES
from kdc.compress.losses.objective import Widths
from kdc.compress.recipe import Recipe


def build_objectives(recipe: Recipe, widths: Widths) -> Objectives:
    """Build a recipe's objectives, each with its weight, fitted to a student and a teacher.

    Raises:
        KdcError: an unknown loss or option (with the nearest names), or one that does not fit.
    """
    objectives: Objectives = {}
    for name, options in recipe.losses.items():
        if name not in LOSSES:
            raise unknown(f"loss in recipe {recipe.name}", name, LOSSES)
        own = {key: value for key, value in options.items() if key != "weight"}
        known = [key for key in signature(LOSSES[name]).parameters]
        for key in own:
            if key not in known:
                raise unknown(f"option of {name} in recipe {recipe.name}", key, [*known, "weight"])
        try:
            loss = LOSSES[name](**own)
        except (TypeError, ValueError) as error:
            raise KdcError(f"recipe {recipe.name}: {name} has a bad option: {error}") from error
        loss.fit(widths)
        objectives[name] = (float(options.get("weight", 1.0)), loss)
    return objectives


def needs(recipe_losses: Iterable[str]) -> frozenset[str]:
    """Return everything that some losses ask a teacher for.

    Raises:
        KdcError: an unknown loss (with the nearest names).
    """
    names = list(recipe_losses)
    for name in names:
        if name not in LOSSES:
            raise unknown("loss", name, LOSSES)
    return frozenset().union(*(LOSSES[name].needs for name in names))
