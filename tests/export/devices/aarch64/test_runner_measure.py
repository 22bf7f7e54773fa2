"""What the runner measures, compiled for this machine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdc.export.devices.aarch64.job_file import read_answer
from kdc.export.options import DEFAULT
from tests.onnx_model import make_model
from tests.runner import constant, job_of, run_job


def test_models_are_measured_in_turns_each_in_its_own_process(
    runner: list[str], tmp_path: Path
) -> None:
    big = constant(tmp_path / "big.onnx", np.ones((1, 3), np.float32), ["b", "t"])
    model = onnx.load(big)
    weights = np.ones((4_000_000,), np.float32)  # 16 MB, which only its own process must hold
    model.graph.initializer.append(numpy_helper.from_array(weights, "unused"))
    model.graph.node.append(helper.make_node("Add", ["unused", "unused"], ["sum"]))
    model.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.FLOAT, None))
    onnx.save(model, big)
    models = [(str(make_model(tmp_path / "m.onnx")), DEFAULT), (str(big), DEFAULT)]
    job = job_of(
        big, mode="measure", models=models, runs=5, seconds=20.0, warm_up=2, warm_seconds=5
    )
    small, large = read_answer(run_job(runner, job, tmp_path), job)
    assert len(small.wall_ms) == len(large.wall_ms) == len(large.cpu_ms) == 5
    assert min(small.wall_ms + small.cpu_ms + large.wall_ms) > 0
    assert small.private_bytes is not None and large.private_bytes is not None
    assert large.private_bytes - small.private_bytes > 10e6
    assert small.peak_rss_bytes and small.peak_rss_bytes > small.private_bytes


def test_the_samples_are_not_the_models_memory(runner: list[str], tmp_path: Path) -> None:
    """Half an hour's came to 44 MB, six times the model's own."""
    model, private = make_model(tmp_path / "m.onnx"), []
    for runs in (150, 150_000):
        job = job_of(model, mode="measure", runs=runs, seconds=30.0)
        (report,) = read_answer(run_job(runner, job, tmp_path), job)
        assert len(report.wall_ms) == runs and report.private_bytes is not None
        private.append(report.private_bytes)
    assert private[1] - private[0] < 1e6  # 2.4 MB of samples


def test_models_in_turns_settle_before_each_run_that_counts(
    runner: list[str], tmp_path: Path
) -> None:
    """A second run was still a fifth too slow: the other model had pushed its weights out."""
    models = [(str(make_model(tmp_path / f"{name}.onnx")), DEFAULT) for name in "ab"]
    job = job_of(tmp_path, mode="measure", models=models, limit=2)
    assert len(read_answer(run_job(runner, job, tmp_path), job)) == 2
    assert not run_job(runner, replace(job, settle=10_000_000), tmp_path)  # ended by the limit


def test_the_seconds_end_the_runs_but_not_the_first(runner: list[str], tmp_path: Path) -> None:
    job = job_of(make_model(tmp_path / "m.onnx"), mode="measure", runs=10_000_000)
    (report,) = read_answer(run_job(runner, job, tmp_path), job)
    assert len(report.wall_ms) == 1
