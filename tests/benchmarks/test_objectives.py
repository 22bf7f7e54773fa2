import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Widths
from kdc.compress.objectives import build_objectives
from kdc.compress.recipe import load_recipe
from kdc.compress.students import Shape, choose_shape
from tests.tables import write_split
from tests.tiny import tiny_data, tiny_teacher

MINILM = Shape(6, 384, 12, 1536)
Load = Callable[[str], ModuleType]


@pytest.fixture
def places(tmp_path: Path, benchmark_module: Load) -> Any:  # noqa: ANN401
    """A task with a teacher that has learnt it, as the grid finds them."""
    data = tiny_data()
    folder = tmp_path / "data" / "tiny"
    folder.mkdir(parents=True)
    for name, split in (("train", data.train), ("dev", data.dev), ("test", data.test)):
        assert split is not None
        write_split(folder / f"{name}.tsv", split, data.task.labels, delimiter="\t")
    tiny_teacher(tmp_path / "teachers" / "tiny", data)
    benchmark_module("grid").TASKS["tiny"] = benchmark_module("grid").Task("tiny")
    return benchmark_module("run_cell").Places(
        work=tmp_path / "work", data=tmp_path / "data", teachers=tmp_path / "teachers"
    )


def test_the_grid_goes_seed_by_seed(benchmark_module: Load) -> None:
    """A grid that is stopped half-way must not have all seeds of one recipe and none of others."""
    grid = benchmark_module("grid")
    found = list(grid.cells(["RTE", "MRPC"], ["3x384"], ["hinton", "scratch"], [0, 1], None))
    assert [cell.seed for cell in found] == [0] * 4 + [1] * 4
    assert [(c.task, c.recipe.name) for c in found[:4]] == [
        (task, recipe) for task in ("RTE", "MRPC") for recipe in ("hinton", "scratch")
    ]
    assert len({cell.name for cell in found}) == 8


def test_what_a_recipe_cannot_train_is_no_cell(benchmark_module: Load, tmp_path: Path) -> None:
    """Bug: 18 of 288 cells were told as not done yet, and could only fail."""
    grid, table = benchmark_module("grid"), benchmark_module("objectives_table").table
    found = list(grid.cells(["RTE", "MRPC"], grid.STUDENTS, grid.RECIPES, [0, 1, 2], None))
    pairs = [(recipe, student) for recipe in grid.RECIPES for student in grid.STUDENTS]
    kept = [pair for pair in pairs if not _is_refused(*pair)]
    assert set(pairs) - set(kept) == set(grid.NEVER)
    assert Counter((c.recipe.name, c.student) for c in found) == Counter(6 * kept)
    store = grid.Store(tmp_path, tmp_path / "committed.json")
    assert "12 heads do not divide 256" in table(found, store)[-1]
    others = [cell for cell in found if cell.student == "3x384"]
    assert "heads" not in table(others, store)[-1]


def _is_refused(recipe: str, student: str) -> bool:
    """Whether a loss of the recipe takes no such student, by the losses' own word."""
    ours = choose_shape(student, MINILM)
    sizes = (ours.layers, ours.hidden, MINILM.layers, MINILM.hidden)
    widths = Widths(tiny_data().task, *sizes, ours.heads, MINILM.heads)
    try:
        for stage in load_recipe(recipe).stages:
            build_objectives(stage, widths)
    except KdcError:
        return True
    return False


def test_a_task_stretches_every_stage_alike(benchmark_module: Load) -> None:
    """One rate for all stages would undo the recipes that the grid compares."""
    grid = benchmark_module("grid")
    (cell,) = grid.cells(["clinc150"], ["3x384"], ["minilm"], [0], None)
    assert len(cell.recipe.stages) == 2
    for ours, theirs in zip(cell.recipe.stages, load_recipe("minilm").stages, strict=True):
        assert ours.train.epochs == 2 * theirs.train.epochs
        assert ours.train.learning_rate == 2 * theirs.train.learning_rate
        assert ours.losses == theirs.losses


def test_a_cell_of_another_recipe_is_another_cell(benchmark_module: Load, tmp_path: Path) -> None:
    """A recipe that was edited since would be printed with the scores of the old one."""
    grid = benchmark_module("grid")
    store = grid.Store(tmp_path, tmp_path / "committed.json")
    (cell,) = grid.cells(["RTE"], ["3x384"], ["hinton"], [0], None)
    store.add(cell, _left(0.5))
    edited = replace(cell, recipe=cell.recipe.with_options(1.0, None))
    again = grid.Store(tmp_path, tmp_path / "committed.json")
    assert again.find(cell)["scores"] == _left(0.5)["scores"]
    assert again.find(edited) is None
    again.add(edited, _left(0.7))
    again.commit([edited])
    assert len(json.loads((tmp_path / "committed.json").read_text())["cells"]) == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    assert grid.Store(empty, tmp_path / "committed.json").find(edited) is not None


def test_a_folder_of_something_else_is_no_grid(benchmark_module: Load, tmp_path: Path) -> None:
    """Any JSON taken for a cell would end in a KeyError, or in the table."""
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(KdcError, match=r"notes\.json is no cell"):
        benchmark_module("grid").Store(tmp_path, tmp_path / "committed.json")


def test_the_table_says_mean_spread_and_seeds(benchmark_module: Load, tmp_path: Path) -> None:
    """A mean of two seeds beside one of three, unsaid, reads as a fair comparison."""
    grid, table = benchmark_module("grid"), benchmark_module("objectives_table").table
    store = grid.Store(tmp_path, tmp_path / "committed.json")
    cells = list(grid.cells(["RTE"], ["3x384"], ["hinton", "scratch"], [0, 1], None))
    values = {("hinton", 0): 0.60, ("hinton", 1): 0.64, ("scratch", 0): 0.55}
    for cell in cells:
        value = values.get((cell.recipe.name, cell.seed))
        if value is not None:
            store.add(cell, _left(value))
    lines = table(cells, store)
    assert "| **hinton** | 62.00 ± 2.83 (2) |" in lines  # sqrt(((2)^2 + (2)^2) / 1) = 2.83
    assert "| **scratch** | 55.00 (1) |" in lines
    assert "| teacher | 80.00 |" in lines
    assert "| one run | ± 5.0 |" in lines
    assert lines[-1].startswith("3 of 4 cells")


def test_a_task_has_one_teacher_by_which_all_are_measured(
    benchmark_module: Load, tmp_path: Path
) -> None:
    """Bug: a recipe is kept of a worse teacher, and stands above one that scores more."""
    grid, table = benchmark_module("grid"), benchmark_module("objectives_table").table
    store = grid.Store(tmp_path, tmp_path / "committed.json")
    cells = list(grid.cells(["RTE"], ["3x384"], ["hinton", "scratch"], [0, 1, 2], None))
    for cell in cells:
        left = _left(0.4 if cell.recipe.name == "scratch" else 0.6)
        if cell.seed == 0:  # of a worse teacher
            left |= {"teacher_sha256": "b", "retained": 1.0}
            left["scores"]["dev"]["teacher"] |= {"value": 0.4}
        store.add(cell, left)
    lines = table(cells, store)
    assert "| teacher | 80.00 |" in lines
    assert "| hinton | 75.0 ± 0.0 (2) |" in lines
    assert "| scratch | 50.0 ± 0.0 (3) |" in lines  # no teacher's fault
    assert lines[-1].startswith("5 of 6 cells of this grid are done.")
    assert " 1 more are done of teachers that were not those of most cells." in lines[-1]


@pytest.mark.slow
def test_a_cell_is_run_once_and_keeps_the_students_scores(
    benchmark_module: Load,
    places: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    """A grid of days must go on where it was, and its scores must be those that kdc wrote."""
    grid, objectives = benchmark_module("grid"), benchmark_module("objectives")
    store = grid.Store(tmp_path / "cells", tmp_path / "committed.json")
    cells = list(grid.cells(["tiny"], ["1x32"], ["hinton"], [0], 2.0))
    assert objectives.run(cells, store, replace(places, keep=True)) == []
    (student,) = (path for path in (places.work / "tiny").glob("tiny-1x32*") if path.is_dir())
    metrics, left = json.loads((student / "metrics.json").read_text()), store.find(cells[0])
    assert left["scores"]["dev"]["student"]["value"] == metrics["student"]["value"]
    assert left["scores"]["dev"]["teacher"]["value"] == metrics["teacher"]["value"]
    assert left["scores"]["dev"]["bag_of_words"] == _short(metrics["baselines"]["bag_of_words"])
    assert left["scores"]["test"]["student"] == _short(metrics["test"]["student"])
    assert left["steps"] == 6  # two epochs of three batches of 32
    assert left["cpu_seconds"] > 0

    again = grid.Store(tmp_path / "cells", tmp_path / "committed.json")
    broken = replace(places, teachers=tmp_path / "nowhere")
    assert objectives.run(cells, again, broken) == []  # nothing was run


@pytest.mark.slow
def test_a_cell_that_fails_is_told_and_tried_again(
    benchmark_module: Load,
    places: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    """A student that a recipe refuses must neither end the grid nor count as finished."""
    grid, objectives = benchmark_module("grid"), benchmark_module("objectives")
    store = grid.Store(tmp_path / "cells", tmp_path / "committed.json")
    (cell,) = grid.cells(["tiny"], ["1x48"], ["hinton"], [0], 2.0)
    (said,) = objectives.run([cell], store, places)
    assert "wider (48) than its teacher (32)" in said
    assert store.find(cell) is None


def test_options_of_the_command_line(
    benchmark_module: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt task must not be found after hours of the others."""
    objectives = benchmark_module("objectives")
    monkeypatch.setattr("sys.argv", ["objectives.py", "--out", "x", "--tasks", "RTE,SST"])
    with pytest.raises(SystemExit):
        objectives._options()
    assert "there is no task SST" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["objectives.py", "--out", "x", "--seeds", "0,2"])
    options: argparse.Namespace = objectives._options()
    assert options.seeds == [0, 2]


def _left(value: float) -> dict[str, Any]:
    student = {"value": value, "interval": [value - 0.05, value + 0.05], "n": 277}
    teacher = {"value": 0.8, "interval": [0.75, 0.85], "n": 277}
    return {
        "teacher_sha256": "a",
        "metric": "accuracy",
        "scores": {"dev": {"student": student, "teacher": teacher}},
        "retained": value / 0.8,
        "agreement": 0.9,
        "steps": 100,
        "wall_seconds": 70.0,
        "cpu_seconds": 60.0,
        "cpu": "a slow one",
    }


def _short(score: dict[str, Any]) -> dict[str, Any]:
    return {name: score[name] for name in ("value", "interval", "n")}
