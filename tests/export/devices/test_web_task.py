import json
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.export.devices.web.task import Task, answering, measuring
from kdc.export.draws import draw_rows
from kdc.export.jobs import SETTLING, Asked, Job
from kdc.export.options import Level, SessionOptions
from tests.onnx_model import make_model
from tests.shipping import export


def _told(task: Task) -> dict[str, Any]:
    content = task.files["task"]
    assert isinstance(content, bytes)
    return dict(json.loads(content))


def _job(model: Path, **fields: Any) -> Job:  # noqa: ANN401
    return Job(**{"model": str(model), "lengths": [8, 3], "ids": (5, 100), "threads": 1,
                  "seconds": 2.0, "runs": 7, **fields})  # fmt: skip


def test_the_page_runs_the_texts_that_the_host_runs(tmp_path: Path) -> None:
    """Other texts would make two devices' figures of one model those of two tasks."""
    job = _job(make_model(tmp_path / "m.onnx"))
    (model,) = _told(measuring([job]))["models"]
    drawn = draw_rows(job, 1)
    # one first run, ten to warm up and seven, in whole rounds of two lengths
    assert model["turns"] == [[next(drawn)[0][0].tolist()] for _ in range(18)]
    assert model["types"] is None


def test_each_turn_begins_with_runs_to_settle(tmp_path: Path) -> None:
    """What the other model evicted from the caches would count as this one's latency."""
    job = _job(make_model(tmp_path / "m.onnx"))
    told = _told(measuring([job, job]))
    assert told["seconds"] == 4.0
    for model in told["models"]:
        assert [len(turn) for turn in model["turns"]] == [SETTLING + 1] * 18
        assert all(len({len(text) for text in turn}) == 1 for turn in model["turns"])
    assert {tuple(order) for order in told["orders"]} == {(0, 1), (1, 0)}
    assert told == _told(measuring([job, job])), "the order is not seeded"


def test_runs_without_end_send_no_texts_without_end(tmp_path: Path) -> None:
    """A sustained run asks for more runs than would fit into memory as texts."""
    job = _job(make_model(tmp_path / "m.onnx"), runs=10**9, lengths=[4, 6, 9])
    told = _told(measuring([job]))
    assert told["runs"] == 10**9
    turns = told["models"][0]["turns"]
    assert len(turns) < 2000 and len(turns) % 3 == 0
    sizes = [len(ids) for (ids,) in turns]
    assert np.array_equal(np.unique(sizes, return_counts=True)[1], [len(turns) / 3] * 3)


def test_models_of_other_threads_are_refused(tmp_path: Path) -> None:
    """They share one runtime, whose threads are set once: the second number would be ignored."""
    model = make_model(tmp_path / "m.onnx")
    with pytest.raises(KdcError, match="same number of threads"):
        measuring([_job(model), _job(model, threads=2)])


def test_weights_beside_the_model_go_along(
    student_folder: Path, tmp_path: Path, all_outside: None
) -> None:
    """Without them the page calls every model of the layout mmap damaged."""
    folder = export(student_folder, tmp_path / "phone", layout="mmap").folder
    path = folder / "onnx" / "model.onnx"
    task = answering(Asked(str(path), [[5, 6]], [[0, 1]]))
    (model,) = _told(task)["models"]
    assert model["weights"] == ["model.onnx_data"]
    assert task.files["models/0/0"] == path
    assert task.files["models/0/1"] == path.with_name("model.onnx_data")
    assert (model["turns"], model["types"]) == ([[[5, 6]]], [[0, 1]])


def test_a_model_of_one_length_is_filled_up_and_not_cut(
    student_folder: Path, tmp_path: Path
) -> None:
    """A cut text has another answer, and nobody would be told."""
    folder = export(student_folder, tmp_path / "phone", length=12, max_drop=100.0).folder
    path = str(folder / "onnx" / "model.onnx")
    (model,) = _told(answering(Asked(path, [[5] * 12], [[0] * 12])))["models"]
    assert (model["fixed"], model["padding"]) == (12, 0)
    with pytest.raises(KdcError, match="reads texts of at most 12 tokens, not 13: cut them"):
        answering(Asked(path, [[5] * 13], [[0] * 13]))


def test_options_are_those_of_the_sample_app(root: Path) -> None:
    """What is measured must be opened as the app opens it, or its figures are of no app."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed")
    switches = product(get_args(Level), *([[True, False]] * 3))
    every = [SessionOptions(*row) for row in switches]
    source = (root / "sample_apps" / "web" / "model.js").read_text(encoding="utf-8")
    asked = json.dumps([options.as_dict() for options in every])
    code = f"{source}\nconsole.log(JSON.stringify({asked}.map(sessionOptions)));"
    run = subprocess.run([node, "-e", code], capture_output=True, check=True, timeout=60)
    assert [options.for_web() for options in every] == json.loads(run.stdout)
