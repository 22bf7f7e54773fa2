from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from kdc.compress.errors import KdcError
from kdc.export.quantizers.fp16 import quantize_fp16
from kdc.export.quantizers.situation import Situation
from tests.student import FAMILIES

Answers = Callable[[Path], np.ndarray]


@pytest.mark.parametrize("family", FAMILIES)
def test_half_the_bytes_answer_the_same(
    family: str,
    family_folder: Callable[[str], Path],
    tmp_path: Path,
    situation: Situation,
    answers: Answers,
) -> None:
    fp32 = family_folder(family) / "model.onnx"
    quantize_fp16(fp32, tmp_path / "half.onnx", situation)
    exact, rounded = answers(fp32), answers(tmp_path / "half.onnx")
    assert 0 < np.abs(exact - rounded).max() < 0.01 * np.abs(exact).max()
    assert (tmp_path / "half.onnx").stat().st_size < 0.7 * fp32.stat().st_size


def test_weights_are_widened_once_and_rows_as_they_are_read(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    """A Cast that stays in the graph widens every weight again for every text."""
    quantize_fp16(fp32, tmp_path / "half.onnx", situation)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(str(tmp_path / "half.onnx"), options)
    graph = onnx.load(tmp_path / "loaded.onnx").graph
    halves = [t for t in graph.initializer if t.data_type == TensorProto.FLOAT16]
    assert {len(t.dims) and t.dims[0] for t in halves} == {128, 32}
    readers = {node.op_type for node in graph.node if set(node.input) & {t.name for t in halves}}
    assert readers == {"Gather"}


def test_a_weight_beyond_the_range_is_named(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    """Rounded to infinity it would answer NaN."""
    model = onnx.load(fp32)
    tensor = next(t for t in model.graph.initializer if t.name == "classifier.weight")
    value = numpy_helper.to_array(tensor).copy()
    value[0, 0] = -7e4
    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    onnx.save(model, tmp_path / "large.onnx")
    with pytest.raises(KdcError, match=r"classifier.weight reach 7e\+04 and fp16 ends at 65504"):
        quantize_fp16(tmp_path / "large.onnx", tmp_path / "out.onnx", situation)
