import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.tiny import tiny_encoder

Load = Callable[[str], ModuleType]


def test_the_starts_differ_in_their_first_weights_alone(
    benchmark_module: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: other losses, steps or rates, and the comparison is of those."""
    tiny_encoder(tmp_path / "general", hidden=32)
    script = benchmark_module("general_tasks")
    said = ["general_tasks.py", "--general", str(tmp_path / "general"), "--out", str(tmp_path)]
    monkeypatch.setattr(
        sys, "argv", [*said, "--tasks", "RTE", "--seeds", "0", "--rates", "1e-4,5e-4"]
    )
    cells = list(script._cells(script._options()))
    general, random, teacher = cells[::2]
    assert general.origin == tmp_path / "general"
    assert random.origin is teacher.origin is None
    assert general.student == random.student == teacher.student
    assert general.recipe.stages == random.recipe.stages == teacher.recipe.stages
    assert (random.recipe.start.weights, teacher.recipe.start.weights) == ("random", "teacher")
    assert [c.recipe.stages[0].train.learning_rate for c in cells] == [1e-4, 5e-4] * 3
    assert len({cell.digest for cell in cells}) == 6


def test_a_cell_of_another_encoder_is_another_cell(benchmark_module: Load, tmp_path: Path) -> None:
    """Bug: the general student is made anew, and the table is of the old one."""
    (cell,) = benchmark_module("grid").cells(["RTE"], ["1x32"], ["hinton"], [0], None)
    digests = set()
    for seed in (0, 1):
        tiny_encoder(tmp_path / str(seed), hidden=32, seed=seed)
        digests.add(type(cell)(cell.task, "1x32", cell.recipe, 0, tmp_path / str(seed)).digest)
    assert len(digests) == 2
