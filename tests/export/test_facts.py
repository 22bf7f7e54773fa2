import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.artifact import read_student
from kdc.compress.errors import KdcError
from kdc.compress.task import Task
from kdc.export.facts import facts, quantiles
from kdc.export.model_file import read_model_file
from kdc.export.ship import Shipped
from tests.shipping import export
from tests.student import MAX_LENGTH, remake


def test_quantiles_keep_the_ends_and_the_shape() -> None:
    """A bench that draws lengths from them must meet the shortest, the median and the longest."""
    lengths = np.random.default_rng(0).permutation(np.arange(1, 1001))
    picked = quantiles(lengths)
    assert len(picked) == 64
    assert (picked[0], picked[-1]) == (1, 1000)
    assert abs(np.median(picked) - 500) < 10
    assert quantiles(np.array([9, 3])) == [3, 9]


def test_the_shipped_file_says_what_a_bench_needs(shipped: Shipped) -> None:
    """A copied student.onnx has no folder to ask."""
    model = read_model_file(shipped.copy)
    dev = shipped.prepared.dev
    assert model.vocab == 128
    assert model.max_length == MAX_LENGTH
    assert model.lengths == tuple(sorted(dev.lengths.tolist()))


def test_the_task_comes_back(student_folder: Path) -> None:
    student = read_student(student_folder)
    told = json.loads(facts(student, 128, np.array([3]))["kdc.task"])
    assert Task.from_dict(told) == student.task


def test_a_config_without_a_vocabulary_is_refused(student_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(student_folder, tmp_path / "student")
    (folder / "config.json").write_text("{}")
    remake(folder)
    with pytest.raises(KdcError, match=r"config.json has no vocab_size"):
        export(folder, tmp_path / "phone", exporter="torch")
