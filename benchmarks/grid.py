"""The grid of recipes, tasks, students and seeds: what is run, and what a run has left."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import read_json, sha256, write_json
from kdc.compress.recipe import Recipe, load_recipe

FORMAT = "kdc.objectives/1"
RESULTS = Path(__file__).parent / "cells" / "objectives.json"
RECIPES = ["best", "hinton", "distilbert", "tinybert", "minilm", "pkd", "turc", "scratch"]
STUDENTS = ["3x384", "4x256"]
NEVER = {
    ("tinybert", "4x256"): "tinybert compares attention head by head, and 12 heads do not divide "
    "256: a 4x256 cannot have as many as its teacher, so these cells are left out."
}
"""Recipes and students that `kdc distill` refuses together, and why."""


@dataclass(frozen=True)
class Task:
    """A task's data, and what its teacher and its students are trained with."""

    data: str
    """A folder of the shared data, or the built-in task."""
    teacher: list[str] = field(default_factory=list)
    """Options of `kdc teacher`."""
    longer: float = 1.0
    """In every stage times as many epochs as the recipe says."""
    faster: float = 1.0
    """In every stage times the recipe's learning rates."""


TASKS = {
    "SST-2": Task("glue/SST-2", ["--epochs", "3", "--learning-rate", "5e-5"]),
    "RTE": Task("glue/RTE"),
    "MRPC": Task("glue/MRPC"),
    "STS-B": Task("glue/STS-B"),
    "CoLA": Task("glue/CoLA"),
    "clinc150": Task(
        "clinc150", ["--epochs", "4", "--learning-rate", "1e-4"], longer=2.0, faster=2.0
    ),
    "phone-commands": Task("phone-commands"),
}


@dataclass(frozen=True)
class Cell:
    """A place of the grid."""

    task: str
    student: str
    recipe: Recipe
    """With the task's settings in it."""
    seed: int
    origin: Path | None = None
    """The encoder that the student goes on from; None: it starts as the recipe says."""

    @property
    def digest(self) -> str:
        """sha256 of the recipe and the encoder: another one, or other settings, is another cell."""
        text = json.dumps(self.recipe.as_dict(), sort_keys=True)
        if self.origin is not None:
            text += sha256(self.origin / "model.safetensors")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def name(self) -> str:
        """What its files are called."""
        place = f"{self.student}-{self.recipe.name}-seed{self.seed}"
        return f"{self.task}-{place}-{self.digest[:8]}".replace("/", "_")


def cells(
    tasks: Sequence[str],
    students: Sequence[str],
    recipes: Sequence[str],
    seeds: Sequence[int],
    epochs: float | None,
) -> Iterator[Cell]:
    """Yield the grid, all of a seed before the next: wherever it stops, the table is as even.

    What a recipe cannot train is left out: it would count as not yet done for ever.

    Args:
        tasks: names of `TASKS`.
        students: as for `kdc distill --student`.
        recipes: names or files.
        seeds: the seeds.
        epochs: in every stage, in place of the recipe's and the task's; None for these.
    """
    for seed in seeds:
        for task in tasks:
            for student in students:
                for recipe in recipes:
                    if (recipe, student) in NEVER:
                        continue
                    settled = settle(load_recipe(recipe), TASKS[task], epochs)
                    yield Cell(task, student, settled, seed)


def settle(recipe: Recipe, task: Task, epochs: float | None) -> Recipe:
    """Return a recipe with a task's settings: its stages keep their proportions."""
    stages = []
    for stage in recipe.stages:
        train = replace(
            stage.train,
            epochs=stage.train.epochs * task.longer,
            min_steps=round(stage.train.min_steps * task.longer),
            learning_rate=stage.train.learning_rate * task.faster,
            narrow_rate=stage.train.narrow_rate * task.faster,
        )
        stages.append(replace(stage, train=train))
    return replace(recipe, stages=tuple(stages)).with_options(epochs, None)


class Store:
    """What finished cells have left: files of a folder, and the one file that is committed."""

    def __init__(self, folder: Path, committed: Path = RESULTS) -> None:
        self._folder = folder
        self._committed = committed
        kept = read_json(committed)["cells"] if committed.is_file() else []
        self._found: dict[tuple[Any, ...], dict[str, Any]] = {_key(cell): cell for cell in kept}
        for path in sorted(folder.glob("*.json")):
            cell = read_json(path)
            if cell.get("format") != FORMAT:
                raise KdcError(f"{path} is no cell of this grid: choose another --out")
            del cell["format"]
            self._found[_key(cell)] = cell

    def find(self, cell: Cell) -> dict[str, Any] | None:
        """Return what a cell has left; None where it has not been run with this recipe."""
        place = (cell.task, cell.student, cell.recipe.name, cell.seed, cell.digest)
        return self._found.get(place)

    def add(self, cell: Cell, left: dict[str, Any]) -> None:
        """Keep what a cell has left, as a file of its own."""
        place = {"task": cell.task, "student": cell.student, "recipe": cell.recipe.name}
        values = {**place, "seed": cell.seed, "recipe_sha256": cell.digest, **left}
        write_json(self._folder / f"{cell.name}.json", {"format": FORMAT, **values})
        self._found[_key(values)] = values

    def commit(self, grid: Sequence[Cell]) -> None:
        """Write what the cells of a grid have left into the one file, beside what is in it."""
        kept = read_json(self._committed)["cells"] if self._committed.is_file() else []
        ours = [found for found in map(self.find, grid) if found is not None]
        places = {_key(cell)[:4] for cell in ours}
        others = [cell for cell in kept if _key(cell)[:4] not in places]
        together = sorted([*others, *ours], key=_key)
        write_json(self._committed, {"format": FORMAT, "cells": together})


def _key(cell: dict[str, Any]) -> tuple[Any, ...]:
    names = ("task", "student", "recipe", "seed", "recipe_sha256")
    return tuple(cell[name] for name in names)
