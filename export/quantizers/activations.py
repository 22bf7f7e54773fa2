"""What the linear layers of a model see on real rows: their inputs' second moments and sizes."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.examples import Examples
from kdc.export.parity import spread

if TYPE_CHECKING:
    from onnx import ModelProto

ROWS = 256  # evenly spread over the calibration rows


def second_moments(model: "ModelProto", names: Collection[str], rows: Examples) -> dict[str, Array]:
    """Sum x x^T over every token that the named values take, each row run alone.

    Args:
        model: an fp32 classifier; it is left as it was.
        names: values of its main graph, each (..., K).
        rows: what is run; at most 256 of them, evenly spread.

    Returns:
        (K, K) float32 for each name. No activation is kept.
    """
    sums: dict[str, Array] = {}
    for name, flat in _values(model, names, rows):
        sums[name] = sums.get(name, 0) + flat.T @ flat
    return sums


def largest(model: "ModelProto", names: Collection[str], rows: Examples) -> dict[str, Array]:
    """Find each channel's largest absolute value; see `second_moments`.

    Returns:
        (K,) float32 for each name; nothing without rows.
    """
    sizes: dict[str, Array] = {}
    for name, flat in _values(model, names, rows):
        size = np.abs(flat).max(axis=0)
        sizes[name] = np.maximum(sizes.get(name, size), size)
    return sizes


def _values(
    model: "ModelProto", names: Collection[str], rows: Examples
) -> Iterator[tuple[str, Array]]:
    """Yield what named values are, (T, K) for each row and name."""
    from onnx import ModelProto, ValueInfoProto
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

    tapped, wanted = ModelProto(), sorted(set(names))
    if not wanted or not len(rows):
        return
    tapped.CopyFrom(model)
    tapped.graph.output.extend(ValueInfoProto(name=name) for name in wanted)
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = InferenceSession(
        tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    inputs = {entry.name for entry in session.get_inputs()}
    for row in spread(len(rows), ROWS):
        tokens, types = rows.row(int(row))
        feeds = {
            "input_ids": tokens[None],
            "attention_mask": np.ones_like(tokens)[None],
            "token_type_ids": types[None],
        }
        values = session.run(wanted, {name: feeds[name] for name in inputs})
        for name, value in zip(wanted, values, strict=True):
            yield name, value.reshape(-1, value.shape[-1])
