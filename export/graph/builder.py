"""A graph in the making: nodes, named constants, and the model around them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.graph.encoder import Array, Linear, Norm

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators


class Builder:
    """Collects nodes in the order in which they run; every value has one name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self._constants: dict[str, Array] = {}

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str | Sequence[str],
        domain: str = "",
        **attributes: Any,  # noqa: ANN401 - whatever the operator takes
    ) -> str:
        """Append a node, named like its first output, and return that name."""
        outputs = [output] if isinstance(output, str) else list(output)
        self.nodes.append(node(operator, inputs, outputs, domain, **attributes))
        return outputs[0]

    def constant(self, name: str, value: Array) -> str:
        """Store an array once; layers that share their weights ask for the same name again.

        Raises:
            KdcError: another array has the name.
        """
        array = np.ascontiguousarray(value)
        had = self._constants.setdefault(name, array)
        if had is not array and not np.array_equal(had, array):
            raise KdcError(f"two different weights are both called {name}: report this as a bug")
        return name

    def integers(self, *values: int) -> str:
        """Store whole numbers, (N,) int64, under a name made of them."""
        name = "int." + "_".join(str(value) for value in values)
        return self.constant(name, np.array(values, dtype=np.int64))

    def linear(self, x: str, linear: Linear, name: str, output: str) -> str:
        """Append x @ weight + bias, (..., K) -> (..., N), the weights stored under `name`."""
        weight = self.constant(f"{name}.weight", linear.weight)
        product = self.add("MatMul", [x, weight], f"{output}.product")
        bias = self.constant(f"{name}.bias", linear.bias)
        return self.add("Add", [product, bias], output)

    def norm(self, x: str, norm: Norm, name: str, output: str) -> str:
        """Append a layer normalization over the last axis."""
        scale = self.constant(f"{name}.scale", norm.scale)
        shift = self.constant(f"{name}.shift", norm.shift)
        inputs = [x, scale, shift]
        return self.add("LayerNormalization", inputs, output, axis=-1, epsilon=norm.epsilon)

    def model(self, inputs: Sequence[str], classes: int, opset: int) -> "ModelProto":
        """Return the finished model: int64 (batch, length) inputs, float32 (batch, C) `logits`."""
        from onnx import TensorProto, helper, numpy_helper

        tokens = ["batch", "length"]
        graph = helper.make_graph(
            self.nodes,
            "encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT64, tokens) for name in inputs],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
            [numpy_helper.from_array(array, name) for name, array in self._constants.items()],
        )
        domains = {entry.domain for entry in self.nodes}
        opsets = [helper.make_opsetid("", opset)]
        if any(domains) or any(entry.op_type == "If" for entry in self.nodes):
            opsets.append(helper.make_opsetid(MICROSOFT, 1))
        version = helper.find_min_ir_version_for(opsets[:1])
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=version, producer_name="kdc"
        )


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    domain: str = "",
    **attributes: Any,  # noqa: ANN401
) -> "NodeProto":
    """Make a node, named like its first output."""
    from onnx import helper

    made = helper.make_node(
        operator, list(inputs), list(outputs), name=outputs[0], domain=domain, **attributes
    )
    return made


def branch(nodes: "Sequence[NodeProto]", output: str) -> "GraphProto":
    """Make one branch of an `If` that answers with one float32 value."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(list(nodes), output, [], [value])
