"""Recipes: how a student is trained, as frozen dataclasses and as TOML files that ship."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from kdc.compress.errors import KdcError, unknown

DEFAULT = "hinton"
FINETUNE = "finetune"
_HEAVIEST = 1e6  # of a loss
_PACKAGE = "kdc.compress.recipes"
_Section = TypeVar("_Section", "Training", "Start")


@dataclass(frozen=True)
class Training:
    """How long and how fast."""

    epochs: float = 3.0
    """Passes over the training rows."""
    min_steps: int = 0
    """A small table is passed over more often, until at least this many steps are done."""
    batch: int = 32
    """Rows in a step."""
    learning_rate: float = 1e-4
    """AdamW's peak rate, after the warm-up; it falls linearly to 0."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises linearly."""
    weight_decay: float = 0.01
    """AdamW's decay of matrices; vectors and embeddings are never decayed."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    dropout: float = 0.1
    """Probability in the model that is trained."""
    evaluations: int = 8
    """How often dev is measured; the best of these models is kept."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            KdcError: one is out of its range.
        """
        for name, low, high in (
            ("epochs", 0.01, 10_000),
            ("min_steps", 0, 10_000_000),
            ("batch", 1, 65_536),
            ("learning_rate", 1e-9, 1.0),
            ("warmup", 0.0, 1.0),
            ("weight_decay", 0.0, 10.0),
            ("clip", 1e-6, 1e6),
            ("dropout", 0.0, 0.9),
            ("evaluations", 1, 10_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:  # NaN is neither
                raise KdcError(f"{name} must be from {low} to {high}, not {value}")
            if isinstance(low, int) and type(value) is not int:
                raise KdcError(f"{name} must be a whole number, not {value}")


@dataclass(frozen=True)
class Start:
    """Where the weights start."""

    weights: str = "teacher"
    """`teacher` or `random`."""
    layers: str | tuple[int, ...] = "every-other"
    """Which teacher layers: `every-other`, `first`, `last` or a list of 0-based numbers."""

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            KdcError: unknown weights.
        """
        if self.weights not in ("teacher", "random"):
            raise unknown("start of the weights", self.weights, ("teacher", "random"))
        if isinstance(self.layers, list):
            object.__setattr__(self, "layers", tuple(self.layers))


@dataclass(frozen=True)
class Recipe:
    """Everything about a run that is not its model and its data."""

    name: str
    about: str
    source: str
    losses: dict[str, dict[str, Any]]
    """Objective -> `weight` and the objective's own options."""
    train: Training = field(default_factory=Training)
    start: Start = field(default_factory=Start)

    def __post_init__(self) -> None:
        """Check the weights of the losses.

        Raises:
            KdcError: no loss, a weight that is not a number from 0 up, or weights that sum to 0.
        """
        weights = [options.get("weight", 1.0) for options in self.losses.values()]
        for weight in weights:
            if not isinstance(weight, int | float) or not 0 <= weight <= _HEAVIEST:  # nor NaN
                raise KdcError(
                    f"recipe {self.name}: a loss's weight must be from 0 to {_HEAVIEST:g}: {weight}"
                )
        if sum(weights) <= 0:
            raise KdcError(f"recipe {self.name}: its losses' weights sum to 0: nothing would train")

    def with_options(self, epochs: float | None, learning_rate: float | None) -> "Recipe":
        """Return the recipe with a user's own values in place of its own; None changes nothing.

        A number of epochs that a user gives is meant: the least number of steps then falls away.
        """
        changes: dict[str, Any] = {}
        if epochs is not None:
            changes |= {"epochs": epochs, "min_steps": 0}
        if learning_rate is not None:
            changes["learning_rate"] = learning_rate
        return replace(self, train=replace(self.train, **changes))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for TOML and JSON."""
        return asdict(self)


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship."""
    found = (path.name for path in files(_PACKAGE).iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Load a recipe that ships, or one of the user's own `.toml` files.

    Raises:
        KdcError: no such recipe or file, broken TOML, an unknown key (with the nearest names).
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise KdcError(f"there is no recipe file {path}")
        text, where = path.read_text(encoding="utf-8", errors="replace"), str(path)
    elif name in recipe_names():
        text = files(_PACKAGE).joinpath(f"{name}.toml").read_text(encoding="utf-8")
        where = f"recipe {name}"
    else:
        raise unknown("recipe", name, recipe_names())
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{where} is not valid TOML: {error}") from error
    return _recipe(values, where, Path(name).stem)


def _recipe(values: dict[str, Any], where: str, stem: str) -> Recipe:
    values.pop("run", None)  # a student folder's recipe.toml says there what it was run on
    known = [entry.name for entry in fields(Recipe)]
    for key in values:
        if key not in known:
            raise unknown(f"key in {where}", key, known)
    losses = values.get("losses")
    if not isinstance(losses, dict) or not all(isinstance(v, dict) for v in losses.values()):
        raise KdcError(f"{where} names no loss: add a section such as [losses.soft_labels]")
    return Recipe(
        name=str(values.get("name", stem)),
        about=str(values.get("about", "")),
        source=str(values.get("source", "")),
        losses=losses,
        train=_section(Training, values.get("train", {}), f"[train] of {where}"),
        start=_section(Start, values.get("start", {}), f"[start] of {where}"),
    )


def _section(section: type[_Section], values: Any, where: str) -> _Section:  # noqa: ANN401
    if not isinstance(values, dict):
        raise KdcError(f"{where} must be a section of its own")
    known = [entry.name for entry in fields(section)]
    for key in values:
        if key not in known:
            raise unknown(f"key in {where}", key, known)
    try:
        return section(**values)
    except TypeError as error:
        raise KdcError(f"{where} has a value of the wrong type: {error}") from error


def describe_recipes() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the recipes that ship as columns and rows of text."""
    recipes = [load_recipe(name) for name in recipe_names()]
    rows: list[tuple[str, ...]] = [
        (recipe.name, " + ".join(recipe.losses), recipe.about, recipe.source) for recipe in recipes
    ]
    return ("recipe", "losses", "what it does", "source"), rows
