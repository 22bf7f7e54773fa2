"""Jobs for the runner that measures on phones, built for this machine."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdc.export.devices.aarch64.job_file import RunnerJob
from kdc.export.options import DEFAULT

TEXTS = [([7, 8, 9], [0, 1, 1]), ([5], [0])]


def run_job(runner: list[str], job: RunnerJob | str, folder: Path) -> str:
    (folder / "job").write_text(job if isinstance(job, str) else job.text())
    words = [*runner, str(folder / "job")]
    return subprocess.run(words, capture_output=True, text=True, timeout=60).stdout


def job_of(model: Path, **fields: Any) -> RunnerJob:  # noqa: ANN401
    return replace(RunnerJob("answer", [(str(model), DEFAULT)], TEXTS), **fields)


def constant(path: Path, logits: np.ndarray[Any, Any], shape: list[int | str]) -> Path:
    """A model that answers the same to every text."""
    nodes = [helper.make_node("Identity", ["answer"], ["logits"])]
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape)],
        [
            helper.make_tensor_value_info(
                "logits", helper.np_dtype_to_tensor_dtype(logits.dtype), None
            )
        ],
        [numpy_helper.from_array(logits, "answer")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path
