"""Tables that are read whole rather than row by row, as DeBERTa reads its relative positions."""

from typing import TYPE_CHECKING

from kdc.compress.rounding import LEAST_ROWS

if TYPE_CHECKING:
    from onnx import ModelProto

# who reads a constant through one of these is found by it: layers, tables and what lies between
FOUND = {"MatMul", "Gemm", "Gather", "Slice", "Identity", "Transpose"}


def show_tables(model: "ModelProto") -> "ModelProto":
    """Put an Identity before every matrix that another operator reads, in place.

    Whatever reads it (an Unsqueeze, a LayerNormalization), the Identity can then be replaced by
    nodes that expand the matrix from fewer bits.

    Args:
        model: an fp32 graph of any exporter.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    matrices = {
        tensor.name: f"{tensor.name}.whole"
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
        and len(tensor.dims) == 2
        and tensor.dims[0] >= LEAST_ROWS
    }
    shown: dict[str, str] = {}
    for node in graph.node:
        if node.op_type in FOUND:
            continue
        for place, name in enumerate(node.input):
            if name in matrices:
                shown[name] = node.input[place] = matrices[name]
    for name, whole in shown.items():
        graph.node.insert(0, helper.make_node("Identity", [name], [whole], name=whole))
    return model
