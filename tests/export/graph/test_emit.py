from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from transformers import AutoModelForSequenceClassification

from kdc.export.graph.activations import ACTIVATIONS
from kdc.export.graph.emit import emit
from kdc.export.graph.encoder import Embeddings, Encoder, Layer, Linear, Norm, Step
from kdc.export.graph.read import read_encoder
from kdc.export.onnx_file import save_model
from kdc.export.session import open_session
from tests.student import make_student, make_task

KNOWN = ["Bert", "Roberta", "Electra", "DistilBert", "Albert"]
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module", params=KNOWN)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(
        tmp_path_factory.mktemp("graph") / "student", request.param, make_task(pair=True)
    )


def write(encoder: Encoder, path: Path, *, standard: bool) -> Path:
    save_model(emit(encoder, standard=standard), path)
    return path


@pytest.mark.parametrize("standard", [False, True])
def test_padded_pairs_get_the_answers_of_transformers(
    folder: Path, tmp_path: Path, standard: bool
) -> None:
    """A mask that one layer forgets changes the answers of the shorter texts of a batch only."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 128, (4, 11))
    mask, types = np.ones_like(tokens), np.zeros_like(tokens)
    types[:, 4:] = 1
    for row, length in enumerate((11, 7, 4, 9)):
        mask[row, length:], types[row, length:], tokens[row, length:] = 0, 0, 0
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = {"input_ids": tokens, "attention_mask": mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        inputs["token_type_ids"] = types
    with torch.no_grad():
        wanted = model(**{name: torch.from_numpy(x) for name, x in inputs.items()}).logits.numpy()
    path = write(read_encoder(folder, pair=True), tmp_path / "m.onnx", standard=standard)
    session = open_session(path)
    np.testing.assert_allclose(session.run_batch(tokens, mask, types), wanted, atol=5e-4)
    for row, length in enumerate((11, 7, 4, 9)):
        alone = session.run(tokens[row, :length], types[row, :length])
        np.testing.assert_allclose(alone, wanted[row], atol=5e-4)


def test_nothing_computes_shapes_or_expands_masks(folder: Path) -> None:
    """Every node beyond the formula costs microseconds that short texts feel most."""
    model = emit(read_encoder(folder, pair=False), standard=False)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Shape") == operators.count("Slice") - 1 == 1
    plumbing = {"Reshape", "Transpose", "Expand", "Where", "Unsqueeze", "Concat", "Cast"}
    assert plumbing.isdisjoint(operators)
    assert [entry.name for entry in model.graph.input] == ["input_ids", "attention_mask"]


def test_standard_means_no_operators_of_one_runtime(folder: Path) -> None:
    """A compiler for an NPU refuses a whole graph for one operator that it has not heard of."""
    model = emit(read_encoder(folder, pair=False), standard=True)
    assert {node.domain for node in model.graph.node} == {""}
    assert {(entry.domain, entry.version) for entry in model.opset_import} == {("", 20)}
    assert "If" not in {node.op_type for node in model.graph.node}
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("standard", [False, True])
def test_shared_layers_are_stored_once(tmp_path: Path, standard: bool) -> None:
    """ALBERT's six layers in six copies would be six times its size."""
    folder = make_student(tmp_path / "student", "Albert")
    model = emit(read_encoder(folder, pair=False), standard=standard)
    stored = sum(numpy_helper.to_array(x).size for x in model.graph.initializer)
    weights = AutoModelForSequenceClassification.from_pretrained(folder)
    owned = sum(parameter.numel() for parameter in weights.parameters())
    types = weights.config.type_vocab_size * weights.config.embedding_size
    assert abs(stored - (owned - types)) < 32


def test_the_same_encoder_gives_the_same_bytes(folder: Path) -> None:
    first, second = (
        emit(read_encoder(folder, pair=True), standard=False).SerializeToString(deterministic=True)
        for _ in range(2)
    )
    assert first == second


# one encoder by hand: layers that differ in heads and widths, checked against numpy


def linear(rng: np.random.Generator, inputs: int, outputs: int) -> Linear:
    weight = rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
    return Linear(weight.astype(np.float32), rng.standard_normal(outputs).astype(np.float32))


def norm(rng: np.random.Generator, width: int) -> Norm:
    scale, shift = rng.standard_normal((2, width)).astype(np.float32)
    return Norm(scale, shift, 1e-6)


def layer(rng: np.random.Generator, name: str, heads: int, size: int, ffn: int) -> Layer:
    hidden, width = 8, heads * size
    return Layer(
        name=name,
        heads=heads,
        query=linear(rng, hidden, width),
        key=linear(rng, hidden, width),
        value=linear(rng, hidden, width),
        mix=linear(rng, width, hidden),
        attention_norm=norm(rng, hidden),
        up=linear(rng, hidden, ffn),
        down=linear(rng, ffn, hidden),
        ffn_norm=norm(rng, hidden),
    )


def uneven(activation: str = "relu") -> Encoder:
    rng = np.random.default_rng(3)
    tables = [rng.standard_normal((rows, 6)).astype(np.float32) for rows in (20, 12)]
    return Encoder(
        embeddings=Embeddings(tables[0], tables[1], None, norm(rng, 6), linear(rng, 6, 8)),
        layers=(layer(rng, "layer.0", 3, 4, 10), layer(rng, "layer.1", 1, 6, 14)),
        activation=activation,
        head=(Step("head.0", linear(rng, 8, 5), "tanh"), Step("head.1", linear(rng, 5, 3))),
    )


def by_hand(encoder: Encoder, tokens: Array) -> Array:
    """The formula of one text, (T,) -> (C,), every layer over all tokens."""

    def apply(part: Linear, x: Array) -> Array:
        return np.asarray(x @ part.weight + part.bias)

    def normed(part: Norm, x: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt(x.var(-1, keepdims=True) + part.epsilon)
        return np.asarray(centred / spread * part.scale + part.shift)

    embeddings = encoder.embeddings
    x = normed(embeddings.norm, embeddings.words[tokens] + embeddings.positions[: len(tokens)])
    assert embeddings.projection is not None
    x = apply(embeddings.projection, x)
    for one in encoder.layers:
        query, key, value = (
            apply(part, x).reshape(len(x), one.heads, -1)
            for part in (one.query, one.key, one.value)
        )
        scores = np.einsum("qad,kad->aqk", query, key) / np.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        context = np.einsum("aqk,kad->qad", shares, value).reshape(len(x), -1)
        x = normed(one.attention_norm, x + apply(one.mix, context))
        x = normed(one.ffn_norm, x + apply(one.down, np.maximum(apply(one.up, x), 0)))
    first, second = encoder.head
    return apply(second.linear, np.tanh(apply(first.linear, x[0])))


@pytest.mark.parametrize("standard", [False, True])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_layers_may_differ_in_heads_and_widths(tmp_path: Path, standard: bool, length: int) -> None:
    """Pruned encoders have layers of their own sizes; one token is the shortest text."""
    encoder = uneven()
    tokens = np.random.default_rng(length).integers(0, 20, length)
    session = open_session(write(encoder, tmp_path / "m.onnx", standard=standard))
    got = session.run(tokens, np.zeros_like(tokens))
    np.testing.assert_allclose(got, by_hand(encoder, tokens), atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_those_of_transformers(tmp_path: Path, activation: str) -> None:
    """GELU has four names and two formulas."""
    from transformers.activations import ACT2FN

    model = emit(uneven(activation), standard=False)
    node = next(entry for entry in model.graph.node if entry.output[0] == "step.0.ffn.active")
    value = onnx.helper.make_tensor_value_info
    single = onnx.helper.make_model(
        onnx.helper.make_graph(
            [node],
            "activation",
            [value(node.input[0], onnx.TensorProto.FLOAT, [None])],
            [value(node.output[0], onnx.TensorProto.FLOAT, [None])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 20)],
    )
    x = np.linspace(-6, 6, 241, dtype=np.float32)
    found = ReferenceEvaluator(single).run(None, {node.input[0]: x})
    assert isinstance(found, list)
    (got,) = found
    wanted = ACT2FN[activation](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, wanted, atol=2e-6)
