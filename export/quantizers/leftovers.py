"""Did a quantizer reach every matrix?"""

from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError
from kdc.compress.rounding import LEAST_ROWS

if TYPE_CHECKING:
    from onnx import GraphProto


def fp32_matrices(graph: "GraphProto") -> list[str]:
    """Return the names of the weights that are still fp32; vectors and tiny tables do not count."""
    from onnx import TensorProto

    return sorted(
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
        and sum(size > 1 for size in tensor.dims) > 1
        and tensor.dims[0] >= LEAST_ROWS
    )


def refuse_leftovers(method: str, graph: "GraphProto") -> None:
    """Raise KdcError when a matrix stayed in fp32: 4 bytes a weight would ship unnoticed."""
    left = fp32_matrices(graph)
    if left:
        matrices = "1 matrix" if len(left) == 1 else f"{len(left)} matrices"
        such_as = "" if len(left) == 1 else "such as "
        raise KdcError(
            f"{method} left {matrices} of this model in fp32, {such_as}{left[0]}",
            "export it with --method fp16",
        )
