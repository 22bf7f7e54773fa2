from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export.quantizers import AUTO, NONE, QUANTIZERS, describe_quantizers, methods
from kdc.export.quantizers import int8_dynamic as module
from kdc.export.quantizers.int8_dynamic import fp32_matrices, quantize_int8
from kdc.export.session import open_session
from tests.student import FAMILIES


@pytest.fixture(scope="session")
def int8(fp32: Path) -> Path:
    path = fp32.with_name("int8.onnx")
    quantize_int8(fp32, path)
    return path


def test_every_matrix_is_stored_in_eight_bits(fp32: Path, int8: Path) -> None:
    """The quantizer skips what it does not know and still ends well: 4 bytes a weight would ship.

    A tiny BERT of 2 layers has 6 linear weights a layer, a pooler, a classifier and 3 embeddings.
    """
    graph = onnx.load(int8).graph
    operators = Counter(node.op_type for node in graph.node)
    assert operators["MatMulInteger"] == 2 * 6 + 2
    narrow = (TensorProto.INT8, TensorProto.UINT8)
    stored = [t for t in graph.initializer if t.data_type in narrow]
    elements = sum(int(np.prod(t.dims)) for t in stored if len(t.dims) == 2)
    weights = [t for t in onnx.load(fp32).graph.initializer if t.data_type == TensorProto.FLOAT]
    assert elements == sum(int(np.prod(t.dims)) for t in weights if len(t.dims) == 2)
    assert fp32_matrices(graph) == []
    assert len(fp32_matrices(onnx.load(fp32).graph)) == 2 * 6 + 2 + 3


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_quantized_and_answers_nearly_the_same(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """A graph of another family may hide its weights behind operators the quantizer skips."""
    fp32 = family_folder(family) / "model.onnx"
    quantize_int8(fp32, tmp_path / "int8.onnx")
    operators = Counter(node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node)
    assert operators["MatMulInteger"] >= 12
    tokens, types = np.arange(2, 14), np.zeros(12, dtype=np.int64)
    exact, rounded = (open_session(p).run(tokens, types) for p in (fp32, tmp_path / "int8.onnx"))
    assert 0 < np.abs(exact - rounded).max() < 0.3 * np.abs(exact).max()


def test_int8_weights_have_one_scale_per_output_channel(fp32: Path, int8: Path) -> None:
    """One scale per tensor was measured to change four times as many answers."""
    floats = {t.name: numpy_helper.to_array(t) for t in onnx.load(fp32).graph.initializer}
    ints = {t.name: numpy_helper.to_array(t) for t in onnx.load(int8).graph.initializer}
    matmul = next(node for node in onnx.load(fp32).graph.node if node.op_type == "MatMul")
    weight = floats[matmul.input[1]]
    scale = ints[f"{matmul.input[1]}_scale"]
    np.testing.assert_allclose(scale, np.abs(weight).max(axis=0) / 127, rtol=0.01)
    rebuilt = ints[f"{matmul.input[1]}_quantized"] * scale
    assert np.abs(rebuilt - weight).max() <= scale.max() * 0.51


def test_int8_answers_stay_near_fp32(fp32: Path, int8: Path) -> None:
    tokens, types = np.arange(2, 14), np.zeros(12, dtype=np.int64)
    exact, rounded = (open_session(path).run(tokens, types) for path in (fp32, int8))
    assert 0 < np.abs(exact - rounded).max() < 0.2 * np.abs(exact).max()


def test_int8_gives_the_same_bytes_again(fp32: Path, int8: Path, tmp_path: Path) -> None:
    quantize_int8(fp32, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == int8.read_bytes()


def test_a_matrix_that_stays_in_fp32_is_refused(
    fp32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPERATORS", ["MatMul", "Gemm"])
    with pytest.raises(KdcError, match=r"left 3 matrices.*embeddings.*--method none"):
        quantize_int8(fp32, tmp_path / "out.onnx")


def test_a_file_that_does_not_shrink_is_refused(tmp_path: Path) -> None:
    """A matrix so small that scales and operators outweigh it."""
    weight = numpy_helper.from_array(np.ones((2, 2), dtype=np.float32), "weight")
    node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 2]) for n in "xy")
    graph = helper.make_graph([node], "tiny", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "fp32.onnx")
    with pytest.raises(KdcError, match="no smaller"):
        quantize_int8(tmp_path / "fp32.onnx", tmp_path / "int8.onnx")


def test_none_is_the_exported_file(fp32: Path, tmp_path: Path) -> None:
    QUANTIZERS[NONE].quantize(fp32, tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == fp32.read_bytes()


def test_auto_means_every_method_that_makes_a_file_smaller() -> None:
    assert methods(AUTO) == [name for name in QUANTIZERS if name != "none"]
    assert methods("none") == ["none"]
    with pytest.raises(KdcError, match=r"'int8-dynamc'.*int8-dynamic"):
        methods("int8-dynamc")


def test_the_list_names_every_method_and_auto() -> None:
    columns, rows = describe_quantizers()
    assert [row[0] for row in rows] == [*QUANTIZERS, AUTO]
    assert all(len(row) == len(columns) and all(row) for row in rows)
