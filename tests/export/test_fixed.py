from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from kdc.export.fixed import fix_length
from kdc.export.lengths import Texts, choose_texts
from kdc.export.model_file import read_model_file
from kdc.export.onnx_file import save_model
from kdc.export.session import PADDING, open_session
from tests.onnx_model import FACTS, INPUTS, by_hand, make_model
from tests.student import FAMILIES

LENGTH = 16
TOKENS, TYPES = np.array([5, 17, 99, 3]), np.array([0, 0, 1, 1])


def _fixed(path: Path, length: int = LENGTH, facts: Mapping[str, object] | None = None) -> Path:
    model = onnx.load(make_model(path, facts))
    fix_length(model, length)
    save_model(model, path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_at_one_length_what_it_answers_at_any(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Padding that leaks into attention changes answers, and shapes that clash fail at load."""
    free = family_folder(family) / "model.onnx"
    model = onnx.load(free)
    fix_length(model, LENGTH)
    save_model(model, tmp_path / "fixed.onnx")
    fixed, any_length = open_session(tmp_path / "fixed.onnx"), open_session(free)
    assert fixed.fixed_length == LENGTH and any_length.fixed_length is None
    for count in (3, 11, LENGTH):
        tokens, types = np.arange(5, 5 + count), np.zeros(count, dtype=np.int64)
        wanted = any_length.run(tokens, types)
        np.testing.assert_allclose(fixed.run(tokens, types), wanted, atol=1e-4, rtol=1e-4)


def test_inputs_and_output_have_numbers_for_axes(tmp_path: Path) -> None:
    """A compiler for an NPU refuses a single free axis."""
    graph = onnx.load(_fixed(tmp_path / "m.onnx")).graph
    for value in (*graph.input, *graph.output):
        axes = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        assert axes == ([1, 3] if value.name == "logits" else [1, LENGTH])
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)


def test_the_padding_token_is_the_files_own(tmp_path: Path) -> None:
    """RoBERTa pads with 1; its positions are counted from the tokens that are no padding."""
    for facts, filler in (({}, 0), ({PADDING: 7}, 7)):
        session = open_session(_fixed(tmp_path / "m.onnx", facts=facts))
        assert session.padding == filler
        tokens, mask, types = (session._filled(TOKENS[None], fill) for fill in session._fills)
        assert tokens[0, 4:].tolist() == [filler] * (LENGTH - 4)
        assert not mask[0, 4:].any() and not types[0, 4:].any()
        np.testing.assert_allclose(session.run(TOKENS, TYPES), by_hand(TOKENS, TYPES), rtol=1e-5)


def test_a_batch_is_run_row_by_row(tmp_path: Path) -> None:
    """The export check runs padded batches, which a graph of batch 1 refuses."""
    session = open_session(_fixed(tmp_path / "m.onnx"))
    tokens, mask = np.full((2, 6), 50), np.zeros((2, 6), dtype=np.int64)
    tokens[0, :4], mask[0, :4], mask[1] = TOKENS, 1, 1
    logits = session.run_batch(tokens, mask, np.zeros_like(mask))
    np.testing.assert_allclose(logits[0], by_hand(TOKENS, TYPES * 0), rtol=1e-5)
    np.testing.assert_allclose(logits[1], by_hand(tokens[1], mask[1] * 0), rtol=1e-5)


def test_a_longer_text_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """To cut it silently would answer another text."""
    session = open_session(_fixed(tmp_path / "m.onnx"))
    with pytest.raises(KdcError, match="reads texts of at most 16 tokens, not 17"):
        session.run(np.full(17, 5), np.zeros(17, dtype=np.int64))


def test_without_a_mask_padding_would_be_read_as_text(tmp_path: Path) -> None:
    model = onnx.load(make_model(tmp_path / "m.onnx", inputs=("input_ids",)))
    with pytest.raises(KdcError, match="without attention_mask cannot be padded"):
        fix_length(model, LENGTH)
    for axis, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 4), strict=True):
        axis.dim_value = size
    save_model(model, tmp_path / "foreign.onnx")
    session = open_session(tmp_path / "foreign.onnx")
    assert session.run(TOKENS, TYPES).shape == (3,)
    with pytest.raises(KdcError, match="exactly 4 tokens and no attention_mask"):
        session.run(TOKENS[:3], TYPES[:3])


@pytest.mark.parametrize(("length", "told"), [(0, "holds no text"), (8, "already has the fixed")])
def test_lengths_that_cannot_be_are_refused(tmp_path: Path, length: int, told: str) -> None:
    model = onnx.load(_fixed(tmp_path / "m.onnx"))
    with pytest.raises(KdcError, match=told):
        fix_length(model, length)


def test_bench_gives_it_texts_that_fit(tmp_path: Path) -> None:
    """The usual 128 tokens, and the longest dev rows, would end the measurement in an error."""
    file = read_model_file(_fixed(tmp_path / "m.onnx", length=6, facts=dict(FACTS)))
    assert file.fixed_length == 6
    assert choose_texts(file, None, Silent()) == (Texts("natural", (4, 6, 6)), Texts(6, (6,)))
    with pytest.raises(KdcError, match="reads at most 6 tokens, so not 7"):
        choose_texts(file, (7,), Silent())
    assert choose_texts(replace(file, fixed_length=None), None, Silent())[0].tokens == (4, 6, 9)


def test_a_free_axis_is_no_length(tmp_path: Path) -> None:
    assert read_model_file(make_model(tmp_path / "m.onnx", inputs=INPUTS)).fixed_length is None
