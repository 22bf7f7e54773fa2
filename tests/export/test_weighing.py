from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdc.export.devices import host
from kdc.export.jobs import Job
from kdc.export.weighing import ONE_NODE


def heavy(path: Path, width: int) -> Path:
    """Write a classifier whose one matrix of (width, width) is multiplied with."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["ids"], ["mean"]),
        helper.make_node("Expand", ["mean", "shape"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["product"]),
        helper.make_node("Slice", ["product", "zero", "two", "one"], ["logits"]),
    ]
    rng = np.random.default_rng(0)
    tensors = {
        "weights": rng.standard_normal((width, width)).astype(np.float32),
        "shape": np.array([1, width]),
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
    }
    graph = helper.make_graph(
        nodes,
        "heavy",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def test_the_model_of_one_node_is_one() -> None:
    """It is written byte by byte, since `onnx` itself would count as the runtime's memory."""
    model = onnx.load_from_string(ONE_NODE)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Identity"]
    assert not model.graph.initializer


def test_weights_inside_the_file_are_the_process_own(tmp_path: Path) -> None:
    """ONNX Runtime copies them out of the file; once packed, it gives the first copy back."""
    memory = host.measure(_job(heavy(tmp_path / "m.onnx", 3000))).memory
    assert 0.9 < memory["weights"] / 36e6 < 1.3 and memory["prepacked"] < 9e6


def test_mapped_weights_are_no_memory_but_their_copies_are(tmp_path: Path) -> None:
    """What prepacking costs is only seen where the weights themselves cost nothing."""
    onnx.save(
        onnx.load(heavy(tmp_path / "inside.onnx", 3000)),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.onnx_data",
    )
    memory = host.measure(_job(tmp_path / "m.onnx")).memory
    assert memory["weights"] < 9e6 and 0.9 < memory["prepacked"] / 36e6 < 1.3
    without = replace(_job(tmp_path / "m.onnx"), session={"prepacking": False})
    assert host.measure(without).memory["prepacked"] < 9e6


def _job(model: Path) -> Job:
    return Job(str(model), [4], (5, 100), 1, 0.1, runs=3)
