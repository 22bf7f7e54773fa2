import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.export.exporters.lean import export_lean
from kdc.export.quantizers.int8_static import quantize_static_int8
from kdc.export.quantizers.situation import Situation
from kdc.export.session import open_session
from tests.student import FAMILIES, make_student, make_task, tiny_examples, tiny_model

# mean error of a logit in shares of the logits' spread: the weights are random and sharp, so that
# rounding flips what a trained model would keep; MobileBERT has no norms to keep its ranges small
LIMITS = dict.fromkeys(FAMILIES, 0.15) | {"MobileBert": 0.6}


@pytest.fixture(scope="module")
def rows() -> Examples:
    """Texts of the tiny students' task; what they are answered is of no matter here."""
    return tiny_examples(tiny_model("Bert", 3), make_task(), 40, seed=5)


def _run(path: Path, rows: Examples) -> np.ndarray:
    session = open_session(path)
    return np.stack([session.run(*rows.row(index)) for index in range(len(rows))])


def _near(source: Path, family: str, rows: Examples) -> None:
    out = source.with_name("static.onnx")
    quantize_static_int8(source, out, Situation(rows))
    exact, rounded = _run(source, rows), _run(out, rows)
    error = np.abs(exact - rounded).mean() / exact.std()
    assert 0 < error < LIMITS[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_nearly_the_same(
    family: str, rows: Examples, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """A scale that was taken from the wrong tensor still loads and answers noise."""
    source = shutil.copyfile(family_folder(family) / "model.onnx", tmp_path / "fp32.onnx")
    _near(source, family, rows)


@pytest.mark.parametrize("family", ["Bert", "Albert"])
def test_the_lean_graph_in_standard_operators_does_so_too(
    family: str, rows: Examples, tmp_path: Path
) -> None:
    student = make_student(tmp_path / "student", family, rows=4)
    export_lean(student, tmp_path / "fp32.onnx", True)
    _near(tmp_path / "fp32.onnx", family, rows)


@pytest.fixture(scope="module")
def static(fp32: Path, rows: Examples) -> Path:
    path = fp32.with_name("static.onnx")
    quantize_static_int8(fp32, path, Situation(rows))
    return path


def test_every_product_takes_and_gives_integers(static: Path) -> None:
    """An NPU hands a product whose input is fp32 back to the CPU, and every hand-over is slow."""
    graph = onnx.load(static).graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    read_by = {name: node.op_type for node in graph.node for name in node.input}
    products = [node for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    assert len(products) == 2 * (6 + 2) + 2  # a layer's weights and attention, pooler, classifier
    for node in products:
        assert [made_by[name] for name in node.input] == ["DequantizeLinear"] * len(node.input)
        assert read_by[node.output[0]] == "QuantizeLinear"


def test_nothing_depends_on_the_text(static: Path) -> None:
    operators = Counter(node.op_type for node in onnx.load(static).graph.node)
    assert "DynamicQuantizeLinear" not in operators
    assert {node.domain for node in onnx.load(static).graph.node} == {""}


def test_weights_have_one_scale_per_output_channel_and_embeddings_one_per_row(
    fp32: Path, static: Path
) -> None:
    floats = {t.name: numpy_helper.to_array(t) for t in onnx.load(fp32).graph.initializer}
    stored = onnx.load(static).graph.initializer
    ints = {t.name: numpy_helper.to_array(t) for t in stored}
    matmul = next(node for node in onnx.load(fp32).graph.node if node.op_type == "MatMul")
    weight = floats[matmul.input[1]]
    scale = ints[f"{matmul.input[1]}_scale"]
    np.testing.assert_allclose(scale, np.abs(weight).max(axis=0) / 127, rtol=0.01)
    words = next(name for name in ints if "word_embeddings" in name and name.endswith("int8"))
    assert ints[words].dtype == np.int8 and len(ints[words]) == 128
    fp32_left = [t.name for t in stored if t.data_type == TensorProto.FLOAT and t.dims == [128, 32]]
    assert fp32_left == []
    assert static.stat().st_size < fp32.stat().st_size


def test_scales_come_from_the_calibration_rows(
    fp32: Path, static: Path, rows: Examples, tmp_path: Path
) -> None:
    """Ranges of one short text clip those of all others."""
    few = Examples(
        rows.tokens[: rows.lengths[0]],
        rows.types[: rows.lengths[0]],
        rows.lengths[:1],
        rows.labels[:1],
        rows.texts[:1],
        None,
    )
    quantize_static_int8(fp32, tmp_path / "few.onnx", Situation(few))
    exact = _run(fp32, rows)
    error = {
        path: np.abs(_run(path, rows) - exact).mean() for path in (static, tmp_path / "few.onnx")
    }
    assert error[static] < error[tmp_path / "few.onnx"]


def test_without_rows_there_is_nothing_to_scale_by(
    fp32: Path, rows: Examples, tmp_path: Path
) -> None:
    none = replace(rows, lengths=rows.lengths[:0], tokens=rows.tokens[:0])
    with pytest.raises(KdcError, match=r"int8-static needs texts .* calibration\.npz holds none"):
        quantize_static_int8(fp32, tmp_path / "out.onnx", Situation(none))
    assert list(tmp_path.iterdir()) == []


def test_the_same_rows_give_the_same_bytes(
    fp32: Path, static: Path, rows: Examples, tmp_path: Path
) -> None:
    quantize_static_int8(fp32, tmp_path / "again.onnx", Situation(rows))
    assert (tmp_path / "again.onnx").read_bytes() == static.read_bytes()
