"""What is in ONNX Runtime's own format: the weights' names and bytes, and who reads them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto


def read_ort(path: Path) -> tuple["GraphProto", bytes]:
    """Read an `.ort` as a graph that can be looked at, not run: no inputs, outputs or attributes.

    Args:
        path: a file that ONNX Runtime loads; another may raise anything.

    Returns:
        The graph with its weights, and the bytes of the file that are no weight's.
    """
    import numpy as np
    from onnx import helper
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
        InferenceSession,
    )

    data = np.fromfile(path, dtype=np.uint8)
    found: Any = InferenceSession.GetRootAs(data, 0).Model().Graph()
    tensors, left = [], np.ones(len(data), dtype=bool)
    for place in range(found.InitializersLength()):
        tensor = found.Initializers(place)
        tensors.append(_tensor(tensor))
        if not tensor.RawDataIsNone():
            raw = tensor.RawDataAsNumpy()  # a view of `data`
            start = raw.__array_interface__["data"][0] - data.__array_interface__["data"][0]
            left[start : start + len(raw)] = False
    nodes = []
    for node in map(found.Nodes, range(found.NodesLength())):
        inputs = [node.Inputs(place).decode() for place in range(node.InputsLength())]
        outputs = [node.Outputs(place).decode() for place in range(node.OutputsLength())]
        nodes.append(helper.make_node(node.OpType().decode(), inputs, outputs))
    return helper.make_graph(nodes, path.name, [], [], tensors), data[left].tobytes()


def _tensor(tensor: Any) -> "TensorProto":  # noqa: ANN401 - made by the compiler of flatbuffers
    from onnx import TensorProto

    sizes = [tensor.Dims(place) for place in range(tensor.DimsLength())]
    raw = b"" if tensor.RawDataIsNone() else tensor.RawDataAsNumpy().tobytes()
    name = tensor.Name().decode()
    return TensorProto(name=name, data_type=tensor.DataType(), dims=sizes, raw_data=raw)
