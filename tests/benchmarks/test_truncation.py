"""The truncation benchmark: what it counts, what it keeps, and one whole tiny run of it."""

import json
import xml.etree.ElementTree as ElementTree
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from tests.student import WORDS

Load = Callable[[str], ModuleType]
SIZES: dict[str, Any] = {
    "characters": 16_000,
    "teacher_characters": 60_000,
    "vocab": 60,
    "teacher": "2x32",
    "student": "1x32",
    "teacher_tokens": 3000,
    "tokens": 3000,
    "batch_tokens": 512,
    "learning_rate": 1e-3,
    "max_length": 32,
    "held_out": 0.2,
    "dupe": 1,
}


def cell(way: str, seed: int, divergence: float, size: float) -> dict[str, Any]:
    figures = {"loss": 3.0, "accuracy": 0.4, "ece": 0.02, "divergence": divergence}
    theirs = {f"teacher_{name}": value for name, value in figures.items() if name != "divergence"}
    more = {"bytes_per_token": size, "cpu_seconds": 60.0}
    return {"way": way, "seed": seed, **figures, **theirs, **more}


CELLS = [
    cell("full", 0, 0.5, 4915.0),
    cell("full", 1, 0.6, 4915.0),
    cell("top-16", 0, 0.52, 7.5),
    cell("top-16", 1, 0.66, 7.5),
    cell("hard", 0, 0.9, 0.0),
]


def test_the_table_compares_seed_by_seed(benchmark_module: Load) -> None:
    """Bug: a mean over other seeds beside that of the full softmax reads as a difference."""
    lines = benchmark_module("truncation_table").table({"vocab": 8192}, CELLS)
    row = next(line for line in lines if line.startswith("| top-16 + tail"))
    assert "| 7.50 | 3.0000 ± 0.0000 (2) | 40.00 ± 0.00 (2) | 0.5900 ± 0.0990 (2) |" in row
    # 0.02 and 0.06: their mean, and sqrt(2) * 0.02
    assert "* top-16: KL from the teacher +0.0400 ± 0.0283 beside the full softmax" in lines
    assert "* hard: KL from the teacher +0.4000 beside the full softmax" in lines


def test_the_picture_has_a_dot_for_every_seed(benchmark_module: Load) -> None:
    """Bug: hard labels, of 0 bytes, fall off a logarithmic axis."""
    drawn = ElementTree.fromstring(benchmark_module("truncation_table").picture(CELLS))
    dots = [node for node in drawn.iter() if node.tag.endswith("circle")]
    assert len(dots) == len(CELLS) + 3  # and one a way beside its name
    assert all(0 < float(dot.attrib["cx"]) < 640 for dot in dots)


def test_calibration_by_hand(benchmark_module: Load) -> None:
    """Bug: bins weighed alike, whatever is in them."""
    counted = benchmark_module("truncation_judge")._Calibrated()
    p = torch.tensor([[0.9, 0.1], [0.95, 0.05], [0.4, 0.6]])
    counted.add(p.log(), torch.tensor([0, 1, 1]))
    found = counted.as_dict()
    assert found["accuracy"] == pytest.approx(2 / 3)
    # 0.9 in bin 13, wrong-by-half 0.95 in bin 14, 0.6 in bin 9: each alone
    assert found["ece"] == pytest.approx((0.1 + 0.95 + 0.4) / 3, rel=1e-5)
    assert found["loss"] == pytest.approx(-float((0.9 * p.new_tensor(0.05) * 0.6).log()) / 3)


def test_a_folder_of_another_setup_is_refused(benchmark_module: Load, tmp_path: Path) -> None:
    """Bug: cells of two experiments in one table."""
    module = benchmark_module("truncation")
    setup = benchmark_module("truncation_cells").Setup
    assert module._kept(tmp_path, setup("a.txt", **SIZES)) == []
    with pytest.raises(KdcError, match="of another setup"):
        module._kept(tmp_path, setup("a.txt", **{**SIZES, "tokens": 4000}))


@pytest.mark.slow
def test_a_whole_run_leaves_cells_that_are_never_run_again(
    benchmark_module: Load, tmp_path: Path
) -> None:
    """Bug: an hour is lost when the next cell fails, or ways that do not differ in what they do."""
    lines = [
        " ".join(WORDS[(3 * row + 5 * i) % len(WORDS)] for i in range(40)) for row in range(90)
    ]
    (tmp_path / "text.txt").write_text(".\n\n".join(lines))
    cells, main = benchmark_module("truncation_cells"), benchmark_module("truncation")
    lab = cells.Lab(
        cells.Setup(str(tmp_path / "text.txt"), **SIZES), tmp_path / "lab", "cpu", Silent()
    )
    options = Namespace(ways=["full", "top-10, no tail", "top-10", "hard"], seeds=[0])
    found: list[dict[str, Any]] = []
    main.run(lab, options, found)
    assert len({round(one["divergence"], 6) for one in found}) == 4
    kept = [json.loads(path.read_text()) for path in (tmp_path / "lab" / "cells").iterdir()]
    assert len(kept) == 4
    sizes = {one["way"]: one["bytes_per_token"] for one in found}
    assert sizes["hard"] == 0 < sizes["top-10"] < sizes["top-10, no tail"] < sizes["full"]
    again = list(found)
    main.run(lab, options, again)
    assert again == found
