"""Linear layers in 8 bits, as ONNX Runtime's CPU kernels take them."""

import numpy as np

from kdc.compress.examples import Array
from kdc.compress.rounding import to_int8
from kdc.export.edit import MICROSOFT, Editor, Linear


def put_int8(editor: Editor, linear: Linear) -> None:
    """Store a layer's weight in signed bytes with one scale per output channel.

    One scale per tensor was measured to flip four times as many answers. Why signed: see
    `kdc.export.targets`.
    """
    rounded, scale = to_int8(linear.weight.T)
    stored = editor.store(f"{linear.name}.int8", rounded.T.astype(np.int8))
    put_matmul(editor, linear, stored, scale)


def put_matmul(editor: Editor, linear: Linear, weight: str, scale: Array) -> None:
    """Replace a layer by one that scales its input to bytes as it comes.

    Args:
        editor: the graph.
        linear: the layer.
        weight: the name of its (K, N) int8 weight.
        scale: (N,) float32, one per output channel.
    """
    from onnx import helper

    no_zero_point = ""
    inputs = [linear.input, weight, editor.store(f"{linear.name}.scale", scale), no_zero_point]
    if linear.bias is not None:
        inputs.append(editor.store(f"{linear.name.removesuffix('.weight')}.bias", linear.bias))
    node = helper.make_node(
        "DynamicQuantizeMatMul",
        inputs,
        [linear.output],
        name=linear.output,
        domain=MICROSOFT,
    )
    editor.replace(linear.outputs, [node])
