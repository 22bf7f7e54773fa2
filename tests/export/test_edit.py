from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export.edit import Editor
from tests.student import FAMILIES

Array = npt.NDArray[Any]
Node = tuple[str, list[str], str, dict[str, Any]]
RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((6, 4)).astype(np.float32)
BIAS = RNG.standard_normal(4).astype(np.float32)


def model(nodes: list[Any], constants: dict[str, Array], opset: int = 20) -> Any:  # noqa: ANN401
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


LAYERS: dict[str, tuple[list[Node], dict[str, Array]]] = {
    "bias second": (
        [("MatMul", ["x", "w"], "m", {}), ("Add", ["m", "b"], "y", {})],
        {"w": WEIGHT, "b": BIAS},
    ),
    "bias first": (
        [("MatMul", ["x", "w"], "m", {}), ("Add", ["b", "m"], "y", {})],
        {"w": WEIGHT, "b": BIAS},
    ),
    "gemm": ([("Gemm", ["x", "w", "b"], "y", {})], {"w": WEIGHT, "b": BIAS}),
    "gemm transposed": (
        [("Gemm", ["x", "w", "b"], "y", {"transB": 1})],
        {"w": WEIGHT.T.copy(), "b": BIAS},
    ),
    "behind a transpose": (
        [
            ("Transpose", ["w"], "t", {}),
            ("MatMul", ["x", "t"], "m", {}),
            ("Add", ["m", "b"], "y", {}),
        ],
        {"w": WEIGHT.T.copy(), "b": BIAS},
    ),
    "behind an identity": (
        [
            ("Identity", ["w"], "i", {}),
            ("MatMul", ["x", "i"], "m", {}),
            ("Add", ["m", "b"], "y", {}),
        ],
        {"w": WEIGHT, "b": BIAS},
    ),
}


def build(name: str) -> Any:  # noqa: ANN401
    rows, constants = LAYERS[name]
    nodes = [helper.make_node(op, ins, [out], **more) for op, ins, out, more in rows]
    return model(nodes, constants)


@pytest.mark.parametrize("name", LAYERS)
def test_a_linear_layer_is_found_in_every_form(name: str) -> None:
    (linear,) = Editor(build(name)).linears()
    np.testing.assert_array_equal(linear.weight, WEIGHT)
    assert linear.bias is not None
    np.testing.assert_array_equal(linear.bias, BIAS)
    assert (linear.input, linear.output) == ("x", "y")


def test_what_is_added_is_a_bias_only_if_nothing_else_reads_the_product() -> None:
    """Folding it in would take the product away from its other reader."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["a"]),
        helper.make_node("Mul", ["m", "a"], ["y"]),
    ]
    (linear,) = Editor(model(nodes, {"w": WEIGHT, "b": BIAS})).linears()
    assert (linear.bias, linear.output) == (None, "m")


@pytest.mark.parametrize("more", [{"alpha": 0.5}, {"beta": 2.0}, {"transA": 1}])
def test_a_scaled_gemm_is_left_alone(more: dict[str, Any]) -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], **more)
    assert list(Editor(model([node], {"w": WEIGHT, "b": BIAS})).linears()) == []


def test_tables_are_read_by_gather_or_from_the_first_row() -> None:
    """A Slice along another axis, or a Gather of columns, has no scale per row."""
    table = RNG.standard_normal((20, 6)).astype(np.float32)
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    nodes = [
        helper.make_node("Gather", ["t", "ids"], ["rows"]),
        helper.make_node("Gather", ["t", "ids"], ["columns"], axis=1),
        helper.make_node("Slice", ["t", "zero", "end", "zero"], ["start"]),
        helper.make_node("Slice", ["t", "one", "end", "zero"], ["middle"]),
        helper.make_node("Slice", ["t", "zero", "end", "one"], ["narrow"]),
        helper.make_node("Gather", ["few", "ids"], ["type"]),
    ]
    constants: dict[str, Array] = {"t": table, "few": table[:2]}
    constants |= {"zero": zero, "one": one, "end": 3 * one}
    found = Editor(model(nodes, constants)).tables()
    assert [(each.operator, each.output) for each in found] == [
        ("Gather", "rows"),
        ("Slice", "start"),
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_of_a_family_is_found(
    family: str, family_folder: Callable[[str], Path]
) -> None:
    """A weight that is missed stays in fp32: counted from the graph's constants themselves."""
    graph = onnx.load(family_folder(family) / "model.onnx").graph
    editor = Editor.load(family_folder(family) / "model.onnx")
    readers = Counter(name for node in graph.node for name in node.input)
    wanted = Counter(
        {
            t.name: readers[t.name]
            for t in graph.initializer
            if t.data_type == TensorProto.FLOAT and len(t.dims) == 2 and t.dims[0] >= 3
        }
    )
    linears, tables = list(editor.linears()), list(editor.tables())
    assert len(linears) + len(tables) == wanted.total()
    # the exporter drops the zero biases of the head's two Gemms, the only ones in the graph
    assert sum(linear.bias is None for linear in linears) == 2


def test_the_weights_that_albert_shares_are_stored_once(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """The exporter itself writes some of them twice; 12 layers would be 12 times as large."""
    editor = Editor.load(family_folder("Albert") / "model.onnx")
    names = [editor.store(f"new.{i}", each.weight) for i, each in enumerate(editor.linears())]
    assert len(names) == 15
    assert len(set(names)) == 9


def test_a_replaced_node_takes_its_constants_with_it(tmp_path: Path) -> None:
    """A weight that nothing reads any more would still be shipped."""
    editor = Editor(build("behind a transpose"))
    (linear,) = editor.linears()
    stored = editor.store("b", 2 * BIAS)
    editor.replace(linear.outputs, [helper.make_node("Add", [linear.input, stored], ["y"])])
    editor.finish(tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert [node.op_type for node in graph.node] == ["Add"]
    (tensor,) = graph.initializer
    assert tensor.name == stored != "b"
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), 2 * BIAS)


def test_what_a_branch_reads_is_kept(tmp_path: Path) -> None:
    """A branch of an If reads values by name from around it, without naming them as inputs."""
    shape = helper.make_tensor_value_info("kept", TensorProto.FLOAT, None)
    taken = helper.make_graph([helper.make_node("Add", ["m", "b"], ["kept"])], "then", [], [shape])
    other = helper.make_graph([helper.make_node("Neg", ["m"], ["kept"])], "else", [], [shape])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=taken, else_branch=other),
    ]
    constants = {"w": WEIGHT, "b": BIAS, "yes": np.array(True), "unused": BIAS}
    Editor(model(nodes, constants)).finish(tmp_path / "out.onnx")
    graph = onnx.load(tmp_path / "out.onnx").graph
    assert [node.op_type for node in graph.node] == ["MatMul", "If"]
    assert {tensor.name for tensor in graph.initializer} == {"w", "b", "yes"}


def test_nibbles_are_packed_as_onnx_reads_them(tmp_path: Path) -> None:
    values = np.arange(-8, 7).reshape(3, 5)
    editor = Editor(build("gemm"))
    stored = editor.store_nibbles("q", values, signed=True)
    editor.replace(["y"], [helper.make_node("Cast", [stored], ["y"], to=TensorProto.FLOAT)])
    editor.finish(tmp_path / "out.onnx")
    (tensor,) = onnx.load(tmp_path / "out.onnx").graph.initializer
    assert len(tensor.raw_data) == 8
    assert np.array_equal(numpy_helper.to_array(tensor).astype(np.int8), values)


def test_an_old_graph_is_not_called_a_new_one() -> None:
    """Between 11 and 20 operators changed their meaning under the same name."""
    editor = Editor(model([helper.make_node("Neg", ["x"], ["y"])], {}, opset=17))
    with pytest.raises(KdcError, match="opset 17"):
        editor.need(21)
