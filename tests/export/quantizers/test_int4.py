from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from kdc.compress.grids import expand, round_nearest
from kdc.export.edit import Editor, Linear
from kdc.export.quantizers import int4
from kdc.export.quantizers.activations import second_moments
from kdc.export.quantizers.int4 import quantize_int4
from kdc.export.quantizers.situation import Situation

Answers = Callable[[Path], np.ndarray]


def test_the_runtime_folds_four_bits_into_bytes_when_it_loads(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    """Left in the graph, the expansion would run again for every text."""
    quantize_int4(fp32, tmp_path / "int4.onnx", situation)
    stored = onnx.load(tmp_path / "int4.onnx").graph
    weights = [t for t in stored.initializer if t.data_type == TensorProto.INT4]
    assert len(weights) == 2 * 6 + 2
    (places,) = [t for t in stored.initializer if t.data_type == TensorProto.INT8]
    assert places.name == "bert.embeddings.position_embeddings.weight.int8"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(str(tmp_path / "int4.onnx"), options)
    loaded = onnx.load(tmp_path / "loaded.onnx").graph
    values = {t.name: t for t in loaded.initializer}
    matmuls = [n for n in loaded.node if n.op_type == "DynamicQuantizeMatMul"]
    assert len(matmuls) == 2 * 6 + 2
    assert {values[n.input[1]].data_type for n in matmuls} == {TensorProto.INT8}
    before = Counter(node.op_type for node in onnx.load(fp32).graph.node)
    tables = 2  # each multiplies the rows that it looked up, and no more
    assert Counter(node.op_type for node in loaded.node)["Mul"] <= before["Mul"] + tables
    words = values["bert.embeddings.word_embeddings.weight.int4"]
    assert (words.data_type, list(words.dims)) == (TensorProto.UINT8, [128, 16])


def test_what_is_folded_is_what_was_rounded(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    """Nibbles times multipliers, by hand, against the runtime's own bytes."""
    quantize_int4(fp32, tmp_path / "int4.onnx", situation)
    graph = onnx.load(tmp_path / "int4.onnx").graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    floats = {t.name: numpy_helper.to_array(t) for t in onnx.load(fp32).graph.initializer}
    name = "bert.pooler.dense.weight"
    nibbles = stored[f"{name}.int4"].astype(np.int64)
    times = stored[f"{name}.int4.times"].astype(np.int64)
    by_hand = (nibbles * times).reshape(32, 32) * stored[f"{name}.scale"]
    wanted = floats[name].T
    assert np.abs(by_hand - wanted).mean() < 0.15 * np.abs(wanted).mean()
    made = onnx.ModelProto.FromString((tmp_path / "int4.onnx").read_bytes())
    made.graph.output.append(onnx.ValueInfoProto(name=f"{name}.int4.int8"))
    session = onnxruntime.InferenceSession(made.SerializeToString())
    row = {e.name: np.ones((1, 3), dtype=np.int64) for e in session.get_inputs()}
    (whole,) = session.run([f"{name}.int4.int8"], row)
    assert np.array_equal(whole, (nibbles * times).reshape(32, 32))


@pytest.mark.parametrize("family", ["Bert", "Electra", "DistilBert", "Albert", "MobileBert"])
def test_calibrated_rounding_beats_the_nearest_values(
    family: str,
    family_folder: Callable[[str], Path],
    tmp_path: Path,
    situation: Situation,
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every step of the walk in place; embeddings stay as they are, to see the matrices."""
    fp32 = family_folder(family) / "model.onnx"
    exact = answers(fp32)
    monkeypatch.setattr("kdc.export.quantizers.rows.put_int4_rows", lambda editor, table: None)
    monkeypatch.setattr(
        "kdc.export.quantizers.leftovers.refuse_leftovers", lambda method, graph: None
    )
    quantize_int4(fp32, tmp_path / "gptq.onnx", situation)
    monkeypatch.setattr(
        "kdc.compress.gptq.round_gptq",
        lambda weight, grid, _: round_nearest(weight, grid),
    )
    quantize_int4(fp32, tmp_path / "nearest.onnx", situation)
    errors = [np.abs(answers(tmp_path / f"{n}.onnx") - exact).mean() for n in ("gptq", "nearest")]
    assert errors[0] < errors[1]


def test_albert_is_rounded_and_stored_once(
    family_folder: Callable[[str], Path], tmp_path: Path, situation: Situation
) -> None:
    quantize_int4(family_folder("Albert") / "model.onnx", tmp_path / "int4.onnx", situation)
    graph = onnx.load(tmp_path / "int4.onnx").graph
    stored = [t for t in graph.initializer if t.data_type == TensorProto.INT4]
    assert len(stored) == 6 + 3
    assert Counter(n.op_type for n in graph.node)["DynamicQuantizeMatMul"] == 2 * 6 + 3


def test_moments_are_those_of_what_a_layer_sees(fp32: Path, situation: Situation) -> None:
    """The projection's input is the sum of three embeddings, normalized: by hand, row by row."""
    floats = {t.name: numpy_helper.to_array(t) for t in onnx.load(fp32).graph.initializer}
    editor = Editor.load(fp32)
    first = next(editor.linears())
    moments = second_moments(editor.model, [first.input], situation.calibration)[first.input]
    prefix, wanted = "bert.embeddings.", np.zeros((32, 32))
    for index in range(len(situation.calibration)):
        tokens, types = situation.calibration.row(index)
        x = floats[f"{prefix}word_embeddings.weight"][tokens]
        x = x + floats[f"{prefix}position_embeddings.weight"][: len(tokens)]
        x = x + floats[f"{prefix}token_type_embeddings.weight"][types]
        x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        wanted += x.T @ x
    np.testing.assert_allclose(moments, wanted, rtol=1e-3, atol=0.05)


def test_a_layer_that_saw_nothing_is_rounded_to_the_nearest_values() -> None:
    """Every error would weigh nothing, and the first multiplier tried would win."""
    weight = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)
    linear = Linear(("y",), "w", "x", weight, None, "y")
    ((nibbles, grid),) = int4._round_all([linear], {}).values()
    assert np.abs(expand(nibbles, grid) - weight).mean() < 0.12 * np.abs(weight).mean()
