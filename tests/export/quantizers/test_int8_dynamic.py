from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.errors import KdcError
from kdc.compress.rounding import to_int4
from kdc.export.edit import Editor
from kdc.export.quantizers import int8_dynamic
from kdc.export.quantizers.int8_dynamic import quantize_int8, quantize_int8_embeddings4
from kdc.export.quantizers.leftovers import fp32_matrices, refuse_leftovers
from kdc.export.quantizers.situation import Situation
from tests.student import FAMILIES

Answers = Callable[[Path], np.ndarray]


def test_every_matrix_is_stored_in_eight_bits(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    """A tiny BERT of 2 layers has 6 weights a layer, a pooler, a classifier and 2 large tables."""
    quantize_int8(fp32, tmp_path / "int8.onnx", situation)
    graph = onnx.load(tmp_path / "int8.onnx").graph
    assert Counter(n.op_type for n in graph.node)["DynamicQuantizeMatMul"] == 2 * 6 + 2
    stored = [t for t in graph.initializer if t.data_type == TensorProto.INT8]
    assert len(stored) == 2 * 6 + 2 + 2
    assert fp32_matrices(graph) == []
    # all but the classifier, which is (3, H) there
    assert len(fp32_matrices(onnx.load(fp32).graph)) == 2 * 6 + 2 + 2 - 1


def test_weights_have_a_scale_per_channel_and_tables_one_per_row(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    """One scale per tensor was measured to change four times as many answers."""
    quantize_int8(fp32, tmp_path / "int8.onnx", situation)
    floats = {t.name: numpy_helper.to_array(t) for t in onnx.load(fp32).graph.initializer}
    graph = onnx.load(tmp_path / "int8.onnx").graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    words = floats["bert.embeddings.word_embeddings.weight"]
    scale = stored["bert.embeddings.word_embeddings.weight.scale"]
    widest = np.abs(words).max(axis=1)
    np.testing.assert_allclose(scale[:, 0], np.where(widest, widest / 127, 1), rtol=1e-6)
    rebuilt = stored["bert.embeddings.word_embeddings.weight.int8"] * scale
    assert (np.abs(rebuilt - words) <= scale * 0.501).all()
    head = floats["classifier.weight"].T
    scale = stored["classifier.weight.scale"]
    np.testing.assert_allclose(scale, np.abs(head).max(axis=0) / 127, rtol=1e-6)
    assert np.abs(stored["classifier.weight.int8"] * scale - head).max() <= scale.max() * 0.501


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_nearly_the_same(
    family: str,
    family_folder: Callable[[str], Path],
    tmp_path: Path,
    situation: Situation,
    answers: Answers,
) -> None:
    """A graph of another family may hide its weights behind operators that were not expected.

    MobileBERT's random weights are sixteen layers deep in narrow matrices: rounding costs it more.
    """
    fp32 = family_folder(family) / "model.onnx"
    exact, most = answers(fp32), 0.4 if family == "MobileBert" else 0.1
    quantize_int8(fp32, tmp_path / "int8.onnx", situation)
    error = np.abs(answers(tmp_path / "int8.onnx") - exact).mean() / np.abs(exact).mean()
    assert 0 < error < most
    quantize_int8_embeddings4(fp32, tmp_path / "4.onnx", situation)
    coarse = np.abs(answers(tmp_path / "4.onnx") - exact).mean() / np.abs(exact).mean()
    assert error != coarse < 0.5
    assert error < coarse or family == "MobileBert"  # whose own noise is larger than the rows'
    assert fp32_matrices(onnx.load(tmp_path / "4.onnx").graph) == []


def test_the_same_model_gives_the_same_bytes(
    fp32: Path, tmp_path: Path, situation: Situation
) -> None:
    for name in ("one", "other"):
        quantize_int8_embeddings4(fp32, tmp_path / name, situation)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("width", [64, 80, 17, 192])
def test_rows_in_four_bits_are_rebuilt_block_by_block(width: int) -> None:
    """Widths that are no multiple of the block have a shorter last one, with its own scale."""
    rows = np.random.default_rng(0).standard_normal((20, width)).astype(np.float32)
    rows[:, 64:] *= 100
    nibbles, scale = to_int4(rows)
    assert scale.shape == (20, -(-width // 64))
    assert -8 <= nibbles.min() <= nibbles.max() <= 7
    rebuilt = nibbles * np.repeat(scale.astype(np.float32), 64, axis=1)[:, :width]
    for block in range(scale.shape[1]):
        part = slice(64 * block, 64 * block + 64)
        error = np.sqrt(np.mean((rebuilt[:, part] - rows[:, part]) ** 2))
        assert error < 0.14 * np.sqrt(np.mean(rows[:, part] ** 2))


def test_rows_of_zeros_or_crumbs_stay_finite() -> None:
    """An fp16 scale that underflows to zero would give NaN."""
    rows = np.zeros((2, 32), dtype=np.float32)
    rows[1] = 1e-9
    nibbles, scale = to_int4(rows)
    assert (scale > 0).all()
    assert not nibbles.any()


def test_a_matrix_that_stays_in_fp32_is_refused(
    fp32: Path, tmp_path: Path, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Editor, "tables", lambda self: iter(()))
    with pytest.raises(KdcError, match=r"int8-dynamic left 2 matrices.*embeddings.*--method fp16"):
        int8_dynamic.quantize_int8(fp32, tmp_path / "out.onnx", situation)


def test_one_matrix_is_counted_as_one() -> None:
    tensor = numpy_helper.from_array(np.ones((16, 4), dtype=np.float32), "odd")
    graph = helper.make_graph([], "g", [], [], [tensor])
    with pytest.raises(KdcError, match=r"^int4 left 1 matrix of this model in fp32, odd: "):
        refuse_leftovers("int4", graph)
