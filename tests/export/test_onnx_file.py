import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export.onnx_file import check_size, save_model, stamp, tidy


def noted_model() -> onnx.ModelProto:
    """A graph with everything that exporters leave behind."""
    weight = numpy_helper.from_array(np.ones((4, 2), dtype=np.float32), "weight")
    node = helper.make_node("Gather", ["weight", "input_ids"], ["logits"], doc_string="/home/me")
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["s1", "s2"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["s1", 2])
    shape = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["s1", 2])
    graph = helper.make_graph([node], "g", [ids], [logits], [weight], value_info=[shape])
    model = helper.make_model(graph, doc_string="/home/me", ir_version=10)
    for part in (model, graph, model.graph, *model.graph.node, *model.graph.input):
        part.metadata_props.add(key="stack_trace", value="/home/me/model.py")
    return model


def test_tidy_leaves_the_graph_and_nothing_that_was_noted_on_it() -> None:
    """Stack traces carry the paths of the machine; inferred shapes stop the quantizer."""
    model = tidy(noted_model())
    assert b"/home/me" not in model.SerializeToString()
    assert not model.graph.value_info
    assert [node.op_type for node in model.graph.node] == ["Gather"]
    axes = model.graph.input[0].type.tensor_type.shape.dim
    assert [axis.dim_param for axis in axes] == ["batch", "length"]
    rows, classes = model.graph.output[0].type.tensor_type.shape.dim
    assert (rows.dim_param, classes.dim_value) == ("batch", 2)


def test_a_stamp_replaces_the_metadata_in_one_order(tmp_path: Path) -> None:
    """Metadata is a list: in another order the same model has another digest."""
    one, other = tmp_path / "one.onnx", tmp_path / "other.onnx"
    for path in (one, other):
        save_model(noted_model(), path)
    stamp(one, {"kdc.vocab": "4", "kdc.max_length": "8"})
    stamp(other, {"kdc.max_length": "8", "kdc.vocab": "4"})
    assert one.read_bytes() == other.read_bytes()
    facts = {entry.key: entry.value for entry in onnx.load(one).metadata_props}
    assert facts == {"kdc.vocab": "4", "kdc.max_length": "8"}


def weights_of(path: Path, count: int) -> Path:
    """Write the header of fp16 weights; their bytes are a hole in the file."""
    tensor = {"dtype": "F16", "shape": [count // 1000, 1000], "data_offsets": [0, 2 * count]}
    header = json.dumps({"words.weight": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + 2 * count)
    return path


def test_weights_that_no_onnx_can_hold_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """Bug: beyond 2 GB protobuf fails, after minutes, as an internal error."""
    check_size(weights_of(tmp_path / "m.safetensors", 536_000_000))
    large = weights_of(tmp_path / "xl.safetensors", 560_000_000)
    told = r"xl\.safetensors holds 560 million weights, 2\.2 GB in fp32, and an \.onnx at most 2\.1"
    with pytest.raises(KdcError, match=told):
        check_size(large)
    (tmp_path / "damaged").write_bytes(b"damaged")
    check_size(tmp_path / "damaged")  # which is told where it is read
