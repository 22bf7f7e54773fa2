"""The machine's own floor: the int8 products of an encoder and nothing else.

A model cannot be faster on this runtime than the products that it must compute; how far it is
above them is what embeddings, attention, norms, activations and the quantization of activations
cost.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper
from opened import plain_session
from paired import Side

from kdc.compress.students import Shape

Product = tuple[str, int, int]
"""Rows (`all` tokens or `one`), inner and outer size."""
_Feeds = dict[str, npt.NDArray[Any]]


def products(shape: Shape) -> list[Product]:
    """Return the products of an encoder that answers from [CLS], weights times activations.

    Of the last layer only keys and values are needed of every token. Products of activations
    (attention) and the few columns of the classes are left out.
    """
    h, f = shape.hidden, shape.ffn
    layer = [("all", h, 3 * h), ("all", h, h), ("all", h, f), ("all", f, h)]
    last = [("all", h, 2 * h), ("one", h, h), ("one", h, h), ("one", h, f), ("one", f, h)]
    return [*layer * (shape.layers - 1), *last, ("one", h, h)]


def floor_model(shape: Shape, seed: int) -> ModelProto:
    """Return MatMulIntegers, unsigned activations by signed weights, one for each product."""
    rng, wanted = np.random.default_rng(seed), products(shape)
    nodes, outputs = [], []
    weights = [numpy_helper.from_array(np.array(128, dtype=np.uint8), "zero")]
    for index, (rows, inner, outer) in enumerate(wanted):
        data = rng.integers(-127, 128, (inner, outer)).astype(np.int8)
        weights.append(numpy_helper.from_array(data, f"w{index}"))
        taken = [f"{rows}_{inner}", f"w{index}", "zero"]
        nodes.append(helper.make_node("MatMulInteger", taken, [f"y{index}"]))
        outputs.append(_value(f"y{index}", TensorProto.INT32, rows, outer))
    sizes = dict.fromkeys((rows, inner) for rows, inner, _ in wanted)
    inputs = [_value(f"{rows}_{n}", TensorProto.UINT8, rows, n) for rows, n in sizes]
    graph = helper.make_graph(nodes, "floor", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _value(name: str, kind: int, rows: str, size: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["length" if rows == "all" else 1, size])


def open_floor(shape: Shape, lengths: Sequence[int], seed: int) -> Side:
    """Return a side that runs the products for the text of each round."""
    session = plain_session(floor_model(shape, seed).SerializeToString())
    rng = np.random.default_rng(seed)
    sizes = {node.name: node.shape for node in session.get_inputs()}

    def feeds(length: int) -> _Feeds:
        shapes = {name: (1 if rows == 1 else length, n) for name, (rows, n) in sizes.items()}
        return {name: rng.integers(0, 256, size, dtype=np.uint8) for name, size in shapes.items()}

    ready = {length: feeds(length) for length in set(lengths)}
    return lambda number: session.run(None, ready[lengths[number]])
