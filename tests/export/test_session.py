import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.progress import Silent
from kdc.export.session import answer, open_session
from tests.onnx_model import CLASSES, FACTS, HEAD, POSITIONS, TYPES, VOCAB, by_hand, make_model

Break = Callable[[Path], object]
TOKENS = np.array([5, 17, 99, 3])
NO_TYPES = np.zeros(4, dtype=np.int64)


def test_one_text_is_answered_as_the_formula_says(tmp_path: Path) -> None:
    """A mask of zeros or swapped feeds would still answer something."""
    types = np.array([0, 0, 1, 1])
    logits = open_session(make_model(tmp_path / "m.onnx")).run(TOKENS, types)
    assert logits.shape == (CLASSES,) and logits.dtype == np.float32
    np.testing.assert_allclose(logits, by_hand(TOKENS, types), rtol=1e-5)


def test_int32_tokens_are_taken(tmp_path: Path) -> None:
    """Tokens are stored as int32 and types as uint8, and ONNX Runtime refuses both."""
    session = open_session(make_model(tmp_path / "m.onnx"))
    logits = session.run(TOKENS.astype(np.int32), NO_TYPES.astype(np.uint8))
    np.testing.assert_allclose(logits, by_hand(TOKENS, NO_TYPES), rtol=1e-5)


def test_padding_does_not_reach_the_answer(tmp_path: Path) -> None:
    session = open_session(make_model(tmp_path / "m.onnx"))
    tokens, mask = np.full((2, 6), 50), np.zeros((2, 6), dtype=np.int64)
    tokens[0, :4], mask[0, :4], mask[1] = TOKENS, 1, 1
    logits = session.run_batch(tokens, mask, np.zeros_like(mask))
    np.testing.assert_allclose(logits[0], by_hand(TOKENS, NO_TYPES), rtol=1e-5)
    np.testing.assert_allclose(logits[1], by_hand(tokens[1], mask[1] * 0), rtol=1e-5)


def test_a_model_without_types_and_mask_is_fed_neither(tmp_path: Path) -> None:
    """RoBERTa and DistilBERT take no token types: ONNX Runtime refuses what is not an input."""
    session = open_session(make_model(tmp_path / "m.onnx", inputs=("input_ids",)))
    wanted = by_hand(TOKENS, NO_TYPES) - TYPES[0] @ HEAD
    np.testing.assert_allclose(session.run(TOKENS, NO_TYPES), wanted, rtol=1e-5, atol=1e-6)


def test_every_row_is_answered_alone(tmp_path: Path) -> None:
    """Rows of a batch share one int8 scale, so that batched answers are not the phone's."""
    texts = [np.array([5, 6]), np.array([70, 80, 90, 100, 110]), np.array([8])]
    examples = Examples(
        tokens=np.concatenate(texts).astype(np.int32),
        types=np.zeros(8, dtype=np.uint8),
        lengths=np.array([2, 5, 1], dtype=np.int32),
        labels=np.zeros(3, dtype=np.int64),
        texts=["a", "b", "c"],
        pairs=None,
    )
    session = open_session(make_model(tmp_path / "m.onnx"))
    wanted = [by_hand(text, np.zeros_like(text)) for text in texts]
    np.testing.assert_allclose(answer(session, examples, Silent()), np.stack(wanted), rtol=1e-5)


def test_properties_are_told(tmp_path: Path) -> None:
    session = open_session(make_model(tmp_path / "m.onnx", FACTS))
    assert session.metadata["kdc.vocab"] == str(VOCAB)


def _cut(path: Path) -> None:
    path.write_bytes(make_model(path).read_bytes()[:-200])


def _cut_between_fields(path: Path) -> None:
    model = onnx.load(make_model(path))
    del model.graph.node[:], model.graph.initializer[:], model.graph.output[:]
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: None, "there is no model at"),
        (lambda path: path.mkdir(), "there is no model at"),
        (lambda path: path.write_bytes(b""), "is no ONNX model"),
        (lambda path: path.write_text("turn on the light\n"), "is no ONNX model"),
        (_cut, "is no ONNX model"),
        (_cut_between_fields, "is no ONNX model"),
        (lambda path: make_model(path, inputs=("pixel_values",)), "is no ONNX model"),
        (lambda path: make_model(path, output="scores"), "with logits"),
        (lambda path: make_model(path, kind=onnx.TensorProto.INT32), "int64"),
    ],
)
def test_what_is_no_classifier_is_refused_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], spoil: Break, told: str
) -> None:
    """ONNX Runtime has one exception for each, all of them with codes, paths and line ends."""
    path = tmp_path / "m.onnx"
    spoil(path)
    with pytest.raises(KdcError, match=told) as caught:
        open_session(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert "onnxruntime_src" not in str(caught.value)
    assert str(caught.value).count(str(path)) == 1
    assert capfd.readouterr() == ("", "")


def _flip_an_operator(path: Path) -> None:
    path.write_bytes(make_model(path).read_bytes().replace(b"ReduceSum", b"BeduceSum"))


@pytest.mark.parametrize(
    ("name", "spoil", "told"),
    [
        ("m.onnx", _flip_an_operator, r"can load \(In Node, "),
        ("m.ort", lambda path: path.write_text("turn on the light\n" * 9), r"can load \(ORT model"),
    ],
)
def test_a_reason_of_the_runtime_is_told_without_what_is_only_its_own(
    name: str, spoil: Break, told: str, tmp_path: Path
) -> None:
    """Bug: "(Load model from m.onnx failed:This is an invalid model. In Node" in a sentence."""
    spoil(tmp_path / name)
    with pytest.raises(KdcError, match=told) as caught:
        open_session(tmp_path / name)
    assert not re.search(r"\.cc:|failed:|invalid model", str(caught.value))


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_that_is_fixed_is_told_as_that(batch: int, tmp_path: Path) -> None:
    """Bug: "fails on texts of 8 tokens: give it fewer" of a model that wants four at once."""
    model = onnx.load(make_model(tmp_path / "m.onnx"))
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(model, tmp_path / "m.onnx")
    if batch == 1:
        assert open_session(tmp_path / "m.onnx").run(TOKENS, NO_TYPES).shape == (CLASSES,)
    else:
        with pytest.raises(KdcError, match="reads 4 texts at once and no other number"):
            open_session(tmp_path / "m.onnx")


def test_an_unknown_input_is_named(tmp_path: Path) -> None:
    path = make_model(tmp_path / "m.onnx", inputs=("input_ids", "attention_mask", "pixel_values"))
    with pytest.raises(KdcError, match="takes input_ids, attention_mask, pixel_values, wanted"):
        open_session(path)


@pytest.mark.parametrize("tokens", [np.full(4, VOCAB), np.full(POSITIONS + 1, 5)])
def test_a_text_the_model_cannot_read_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], tokens: np.ndarray
) -> None:
    session = open_session(make_model(tmp_path / "m.onnx"))
    with pytest.raises(KdcError, match=f"fails on texts of {len(tokens)} tokens") as caught:
        session.run(tokens, np.zeros_like(tokens))
    assert "ONNXRuntimeError" not in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_token_tagger_is_not_taken_for_a_classifier(tmp_path: Path) -> None:
    """Its logits are called logits too: their first row would pass for an answer."""
    session = open_session(make_model(tmp_path / "m.onnx", pooled=False))
    with pytest.raises(KdcError, match=r"shape \(1, 4, 3\), wanted \(1, classes\)"):
        session.run(TOKENS, NO_TYPES)
