"""ONNX Runtime's dynamic int8: weights are stored in 8 bits, activations scaled as they come."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError
from kdc.export.quiet import quiet

if TYPE_CHECKING:
    from onnx import GraphProto

# named one by one: the defaults also take attention apart into operators that fail at load
_OPERATORS = ["MatMul", "Gemm", "Gather"]


def quantize_int8(fp32: Path, out: Path) -> None:
    """Quantize every matrix of an `.onnx` to 8 bits.

    Linear weights become signed with one scale per output channel (per tensor was measured to
    flip four times as many answers), embeddings unsigned with one scale per table.

    Raises:
        KdcError: a matrix stayed in fp32, or the file did not become smaller.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet():
        quantize_dynamic(
            fp32,
            out,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    left = fp32_matrices(onnx.load(out).graph)
    if left:
        raise KdcError(
            f"int8-dynamic left {len(left)} matrices of this model in fp32, such as {left[0]}: "
            "export it with --method none"
        )
    if out.stat().st_size >= fp32.stat().st_size:
        raise KdcError("int8-dynamic makes this model no smaller: export it with --method none")


def fp32_matrices(graph: "GraphProto") -> list[str]:
    """Return the names of the weights that are still fp32 and are more than a vector."""
    from onnx import TensorProto

    return sorted(
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and sum(size > 1 for size in tensor.dims) > 1
    )
