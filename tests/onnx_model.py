"""A real text classifier of a few nodes, made on the spot, and its formula written by hand."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.files import write_manifest
from kdc.compress.metrics import Score
from kdc.compress.task import Task

Array = npt.NDArray[Any]
VOCAB, POSITIONS, HIDDEN, CLASSES = 120, 64, 8, 3
_RNG = np.random.default_rng(7)
WORDS = _RNG.standard_normal((VOCAB, HIDDEN)).astype(np.float32)
PLACES = _RNG.standard_normal((POSITIONS, HIDDEN)).astype(np.float32)
TYPES = _RNG.standard_normal((2, HIDDEN)).astype(np.float32)
HEAD = _RNG.standard_normal((HIDDEN, CLASSES)).astype(np.float32)
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
FACTS = {"kdc.lengths": [4, 6, 9], "kdc.vocab": VOCAB, "kdc.max_length": POSITIONS}


def by_hand(tokens: Array, types: Array) -> Array:
    """Mean over a text's own tokens of word + place + type, times the head: (T,) -> (C,)."""
    hidden = WORDS[tokens] + PLACES[: len(tokens)] + TYPES[types]
    return np.asarray(hidden.mean(axis=0) @ HEAD)


def make_model(
    path: Path,
    facts: Mapping[str, Any] | None = None,
    inputs: tuple[str, ...] = INPUTS,
    kind: int = TensorProto.INT64,
    output: str = "logits",
    pooled: bool = True,
) -> Path:
    """Write the classifier: which inputs it declares, of which type, and what it answers."""
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["word"]),
        helper.make_node("Shape", ["input_ids"], ["length"], start=1, end=2),
        helper.make_node("Slice", ["places", "zero", "length", "zero"], ["place"]),
        helper.make_node("Gather", ["types", "token_type_ids"], ["type"]),
        helper.make_node("Sum", ["word", "place", "type"], ["hidden"]),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["weight"]),
        helper.make_node("Mul", ["hidden", "weight"], ["own"]),
        helper.make_node("ReduceSum", ["own", "one"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["weight", "one"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean" if pooled else "own", "head"], [output]),
    ]
    if "token_type_ids" not in inputs:
        nodes[3:4] = []
        nodes[3] = helper.make_node("Sum", ["word", "place"], ["hidden"])
    if "attention_mask" not in inputs:
        mask = helper.make_node("Greater", ["input_ids", "nothing"], ["attention_mask"])
        nodes.insert(0, mask)
    constants = {"zero": [0], "one": [1], "last": [-1], "nothing": [-1]}
    weights = {"words": WORDS, "places": PLACES, "types": TYPES, "head": HEAD}
    tensors = {name: np.array(value) for name, value in constants.items()} | weights
    shape: list[str | int | None] = ["batch", CLASSES] if pooled else ["batch", "length", CLASSES]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info(name, kind, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    helper.set_model_props(model, {name: json.dumps(fact) for name, fact in (facts or {}).items()})
    onnx.save(model, path)
    return path


def make_phone_folder(folder: Path) -> Path:
    """Write a phone folder around the classifier: 90 % shipped of the teacher's 96 %."""
    (folder / "onnx").mkdir(parents=True)
    make_model(folder / "onnx" / "model_quantized.onnx", FACTS)
    task = Task("demo", "classification", ("a", "b", "c"), pair=False, metric="accuracy")
    teacher, shipped = Score("accuracy", 0.96, 50, 0.9, 0.99), Score("accuracy", 0.9, 50, 0.8, 0.95)
    metrics = {"teacher": teacher.as_dict(), "shipped": shipped.as_dict()}
    fields = {"task": task.as_dict(), "max_length": POSITIONS, "metrics": metrics}
    write_manifest(folder, "kdc.phone/1", fields)
    return folder
