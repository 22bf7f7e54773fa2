"""Linear layers in 8 bits, as ONNX Runtime's CPU kernels take them."""

from typing import TYPE_CHECKING

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.outliers import Outliers
from kdc.compress.rounding import to_int8
from kdc.export.edit import Editor, Linear
from kdc.export.graph.builder import MICROSOFT, node

if TYPE_CHECKING:
    from onnx import NodeProto


def put_int8(editor: Editor, linear: Linear, outliers: Outliers | None = None) -> None:
    """Store a layer's weight in signed bytes with one scale per output channel.

    One scale per tensor was measured to flip four times as many answers. Why signed: see
    `kdc.export.targets`.
    """
    rounded, scale = to_int8(linear.weight.T)
    stored = editor.store(f"{linear.name}.int8", rounded.T.astype(np.int8))
    put_matmul(editor, linear, stored, scale, outliers)


def put_matmul(
    editor: Editor, linear: Linear, weight: str, scale: Array, outliers: Outliers | None = None
) -> None:
    """Replace a layer by one that scales its input to bytes as it comes.

    Args:
        editor: the graph.
        linear: the layer.
        weight: the name of its (K, N) int8 weight.
        scale: (N,) float32, one per output channel.
        outliers: channels of its input that are multiplied apart as far as they are out of range.
    """
    no_zero_point = ""
    inputs = [linear.input, weight, editor.store(f"{linear.name}.scale", scale), no_zero_point]
    if linear.bias is not None:
        inputs.append(editor.store(f"{linear.name.removesuffix('.weight')}.bias", linear.bias))
    if outliers is None:
        nodes = [node("DynamicQuantizeMatMul", inputs, [linear.output], MICROSOFT)]
    else:
        nodes = _apart(editor, linear, inputs, outliers)
    editor.replace(linear.outputs, nodes)


def _apart(
    editor: Editor, linear: Linear, inputs: list[str], outliers: Outliers
) -> "list[NodeProto]":
    """Return clip(x) W in 8 bits, plus (x - clip(x)) W in fp32 over a few channels."""
    name, x = linear.output, linear.input
    near, out, kept, beyond, main, rest = (
        f"{name}.{part}" for part in ("near", "out", "kept", "beyond", "main", "rest")
    )
    low, high = (
        editor.store(f"{name}.{end}", np.array(limit, dtype=np.float32))
        for end, limit in (("low", -outliers.limit), ("high", outliers.limit))
    )
    channels = np.array(outliers.channels, dtype=np.int64)
    which = editor.store(f"{name}.channels", channels)
    weight = editor.store(f"{linear.name}.outliers", linear.weight[channels])
    return [
        node("Clip", [x, low, high], [near]),
        node("Gather", [x, which], [out], axis=-1),
        node("Gather", [near, which], [kept], axis=-1),
        node("Sub", [out, kept], [beyond]),
        node("MatMul", [beyond, weight], [rest]),
        node("DynamicQuantizeMatMul", [near, *inputs[1:]], [main], MICROSOFT),
        node("Add", [main, rest], [name]),
    ]
