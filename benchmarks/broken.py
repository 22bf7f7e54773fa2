"""Quantizations that are broken on purpose: a check that calls these sound checks nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

_PRODUCT = "DynamicQuantizeMatMul"  # inputs: activations, weights, scales, zero points, bias
_OFF_BY = 4
_CLIPPED = 0.95  # quantile of a channel's weights that becomes -128 or 127


def wrong_zero_point(path: Path, out: Path) -> Path:
    """Give all weights a zero point that they were not rounded with."""
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.array(_OFF_BY, np.int8), "off"))
    for node in _products(model):
        node.input[3] = "off"
    onnx.save(model, out)
    return out


def reach_the_lowest(path: Path, out: Path) -> Path:
    """Round weights into all of int8's range, -128 with it, the largest of them clipped.

    Cores without a dot product add two products of a weight and a shifted activation in 16 bits.
    Twice -128 times -128 is 32,768, one more than they hold. Weights from -127 never get there,
    which is why everyone who quantizes for arm64 leaves -128 out.
    """
    model = onnx.load(path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in _products(model):
        weights, scales = tensors[node.input[1]], tensors[node.input[2]]
        old = numpy_helper.to_array(weights).astype(np.float64)
        largest = np.quantile(np.abs(old), _CLIPPED, axis=0)
        step = np.maximum(largest, 1) / 128
        new = np.clip((old / step).round(), -128, 127).astype(np.int8)
        scaled = (numpy_helper.to_array(scales) * step).astype(np.float32)
        weights.CopyFrom(numpy_helper.from_array(new, weights.name))
        scales.CopyFrom(numpy_helper.from_array(scaled, scales.name))
    onnx.save(model, out)
    return out


def _products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == _PRODUCT]


BROKEN: dict[str, Callable[[Path, Path], Path]] = {
    "zero point off by 4": wrong_zero_point,
    "weights of -128": reach_the_lowest,
}
