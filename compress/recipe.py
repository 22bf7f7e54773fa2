"""Recipes: how a student is trained, as frozen dataclasses and as TOML files that ship."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from kdc.compress.augment import Augmentation
from kdc.compress.errors import KdcError, unknown
from kdc.compress.stages import ALL, CORPUS, NONE, Stage, Start, Training

DEFAULT = "best"
FINETUNE = "finetune"
SCRATCH = "scratch"
_PACKAGE = "kdc.compress.recipes"
_KEYS = ("name", "about", "source", "rows", "losses", "train", "start", "augment", "stages")
_STAGE_KEYS = ("name", "rows", "losses", "train")
_Section = TypeVar("_Section", "Training", "Start", "Augmentation")
Table = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """Everything about a run that is not its model and its data."""

    name: str
    about: str
    source: str
    stages: tuple[Stage, ...]
    """One after the other; each starts from the weights that the one before it kept."""
    start: Start = field(default_factory=Start)
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check what the stages must agree on.

        Raises:
            KdcError: no stage, two of one name, or two dropouts.
        """
        names = [stage.name for stage in self.stages]
        if not names:
            raise KdcError(f"recipe {self.name} has no stage: nothing would train")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise KdcError(f"recipe {self.name} has two stages called {twice}: rename one")
        if self.for_corpus and any(stage.rows != CORPUS for stage in self.stages):
            raise KdcError(
                f"recipe {self.name} mixes a corpus and a task: a general student is made first, "
                "and distilled on a task by a recipe of its own"
            )
        early = [stage.name for stage in self.stages[:-1] if stage.train.quantize != NONE]
        if early:
            raise KdcError(
                f"recipe {self.name} trains {early[0]} in few bits, which the next stage undoes: "
                f"give quantize to {names[-1]} alone"
            )
        if len({stage.train.dropout for stage in self.stages}) > 1:
            raise KdcError(
                f"recipe {self.name} has stages of different dropout, which the model is built "
                "with once: give it in the top-level [train]"
            )

    @property
    def for_corpus(self) -> bool:
        """Whether it makes a general student of a corpus, and not one of a task."""
        return any(stage.rows == CORPUS for stage in self.stages)

    @property
    def dropout(self) -> float:
        """Probability in the model that is trained."""
        return self.stages[0].train.dropout

    @property
    def losses(self) -> list[str]:
        """Names of the objectives that teach in some stage, each once."""
        return list(dict.fromkeys(name for stage in self.stages for name in stage.used))

    def with_options(self, epochs: float | None, learning_rate: float | None) -> "Recipe":
        """Return the recipe with a user's own values; None changes nothing.

        Args:
            epochs: of every stage. They are meant: the least number of steps then falls away.
            learning_rate: of the first stage; those of the others change by as much.
        """
        first = self.stages[0].train.learning_rate

        def changed(train: Training) -> Training:
            if epochs is not None:
                train = replace(train, epochs=epochs, min_steps=0)
            if learning_rate is not None:
                rate = learning_rate * (train.learning_rate / first)
                train = replace(train, learning_rate=rate, narrow_rate=0.0)
            return train

        stages = [replace(stage, train=changed(stage.train)) for stage in self.stages]
        return replace(self, stages=tuple(stages))

    def as_dict(self) -> Table:
        """Return plain values for TOML and JSON, as `read_recipe` takes them."""
        values = asdict(self)
        stages = values.pop("stages")
        if len(stages) == 1 and stages[0].pop("name") == self.name:
            return {**values, **stages[0]}
        return {**values, "stages": [asdict(stage) for stage in self.stages]}


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship."""
    found = (path.name for path in files(_PACKAGE).iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Load a recipe that ships, or one of the user's own `.toml` files.

    Raises:
        KdcError: no such recipe or file, broken TOML, an unknown key (with the nearest names).
    """
    values, where = _read(name)
    values.pop("run", None)  # a student folder's recipe.toml says there what it was run on
    return read_recipe(values, where, Path(name).stem)


def load_run(name: str) -> Table:
    """Return the `[run]` of a student folder's `recipe.toml`: teacher, data, student, seed.

    Returns:
        An empty table for a recipe that was written by hand or ships.

    Raises:
        KdcError: as `load_recipe`, or `run` is no section.
    """
    if not name.endswith(".toml"):
        return {}
    values, where = _read(name)
    return _table(values.get("run", {}), f"[run] of {where}")


def _read(name: str) -> tuple[Table, str]:
    """Return a recipe's plain values, and how to call it to the user."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise KdcError(f"there is no recipe file {path}")
        text = path.read_text(encoding="utf-8-sig", errors="replace")  # editors on Windows add it
        where = str(path)
    elif name in recipe_names():
        text = files(_PACKAGE).joinpath(f"{name}.toml").read_text(encoding="utf-8")
        where = f"recipe {name}"
    else:
        raise unknown("recipe", name, recipe_names(), "kdc list recipes")
    try:
        return tomllib.loads(text), where
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{where} is not valid TOML: {error}") from error


def read_recipe(values: Mapping[str, Any], where: str, stem: str) -> Recipe:
    """Build a recipe from plain values.

    Top-level `losses` and `train` are one stage of the recipe's name. Of `stages` each has its own;
    what a stage's `train` does not name, and its `rows`, come from the top level.

    Args:
        values: what the TOML file holds.
        where: how to call it to the user.
        stem: the recipe's name where it has none.

    Raises:
        KdcError: an unknown key (with the nearest names and its section), a value of the wrong
            type or out of its range, or nothing to train.
    """
    _refuse_unknown(values, _KEYS, where)
    name = str(values.get("name", stem))
    train, rows = values.get("train", {}), str(values.get("rows", ALL))
    _section(Training, train, f"[train] of {where}")  # what is wrong with it is said of it
    if "stages" in values:
        stages = _stages(values, where, train, rows)
    else:
        one = _section(Training, train, f"[train] of {where}")
        stages = (Stage(name, _losses(values, where, "losses"), one, rows),)
    return Recipe(
        name=name,
        about=str(values.get("about", "")),
        source=str(values.get("source", "")),
        stages=stages,
        start=_section(Start, values.get("start", {}), f"[start] of {where}"),
        augment=_section(Augmentation, values.get("augment", {}), f"[augment] of {where}"),
    )


def _stages(values: Mapping[str, Any], where: str, train: Table, rows: str) -> tuple[Stage, ...]:
    entries = values["stages"]
    if "losses" in values:
        raise KdcError(f"{where} has [losses] beside [[stages]]: put each loss into a stage")
    if not isinstance(entries, list) or not entries:
        raise KdcError(f"the stages of {where} must be sections: [[stages]]")
    stages = []
    for number, entry in enumerate(entries, start=1):
        table = _table(entry, f"stage {number} of {where}")
        name = str(table.get("name", f"stage-{number}"))
        here = f"stage {name} of {where}"
        _refuse_unknown(table, _STAGE_KEYS, here)
        own = _table(table.get("train", {}), f"[stages.train] of {here}")
        stages.append(
            Stage(
                name=name,
                losses=_losses(table, here, "stages.losses"),
                train=_section(Training, {**train, **own}, f"[stages.train] of {here}"),
                rows=str(table.get("rows", rows)),
            )
        )
    return tuple(stages)


def _losses(values: Mapping[str, Any], where: str, section: str) -> dict[str, Table]:
    losses = values.get("losses")
    if not isinstance(losses, dict) or not all(isinstance(v, dict) for v in losses.values()):
        raise KdcError(f"{where} names no loss: add a section such as [{section}.soft_labels]")
    return losses


def _section(section: type[_Section], values: Any, where: str) -> _Section:  # noqa: ANN401
    table = _table(values, where)
    _refuse_unknown(table, [entry.name for entry in fields(section)], where)
    try:
        return section(**table)
    except TypeError as error:
        raise KdcError(f"{where} has a value of the wrong type: {error}") from error
    except KdcError as error:
        raise KdcError(f"{where}: {error}") from error


def _table(values: Any, where: str) -> Table:  # noqa: ANN401
    if not isinstance(values, dict):
        raise KdcError(f"{where} must be a section of its own")
    return values


def _refuse_unknown(values: Iterable[str], known: Iterable[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise unknown(f"key in {where}", key, known)


def describe_recipes() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the recipes that ship as columns and rows of text."""
    recipes = [load_recipe(name) for name in recipe_names()]
    rows: list[tuple[str, ...]] = [
        (recipe.name, _flow(recipe), recipe.about, recipe.source) for recipe in recipes
    ]
    return ("recipe", "losses", "what it does", "source"), rows


def _flow(recipe: Recipe) -> str:
    """Print the losses like `soft_labels + relations, then hard_labels`."""
    return ", then ".join(" + ".join(stage.losses) for stage in recipe.stages)
