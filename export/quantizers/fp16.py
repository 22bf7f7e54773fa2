"""Half precision on disk: half the bytes, fp32 arithmetic."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError
from kdc.export.quantizers.situation import Situation

if TYPE_CHECKING:
    from kdc.compress.arrays import Array
    from kdc.export.edit import Editor, Table


def quantize_fp16(fp32: Path, out: Path, situation: Situation) -> None:
    """Store weights and tables in fp16; ONNX Runtime widens the weights once, when it loads.

    Arithmetic stays in fp32: the runtime's CPU kernels for fp16 are few, and none run on x86.
    Rows of a table are widened as they are read, so that it stays small in memory.

    Raises:
        KdcError: a weight is beyond fp16's range.
    """
    from onnx import TensorProto, helper

    from kdc.export.edit import Editor

    editor = Editor.load(fp32)
    for linear in editor.linears():
        stored = editor.store(f"{linear.name}.fp16", _halve(linear.name, linear.weight))
        wide = f"{stored}.float"
        cast = helper.make_node("Cast", [stored], [wide], name=wide, to=TensorProto.FLOAT)
        editor.put_first(wide, wide, [cast])
        nodes = [helper.make_node("MatMul", [linear.input, wide], [linear.output])]
        if linear.bias is not None:
            bias = editor.store(f"{linear.name.removesuffix('.weight')}.bias", linear.bias)
            product = f"{linear.output}.product"
            nodes[0].output[0] = product
            nodes.append(helper.make_node("Add", [product, bias], [linear.output]))
        editor.replace(linear.outputs, nodes)
    for table in editor.tables():
        _put_rows(editor, table)
    editor.finish(out)


def _put_rows(editor: "Editor", table: "Table") -> None:
    from onnx import TensorProto, helper

    stored = editor.store(f"{table.name}.fp16", _halve(table.name, table.rows))
    half = f"{table.output}.half"
    read = helper.make_node(table.operator, [stored, *table.index], [half], name=half)
    widen = helper.make_node("Cast", [half], [table.output], to=TensorProto.FLOAT)
    editor.replace(table.outputs, [read, widen])


def _halve(name: str, values: "Array") -> "Array":
    """Round to fp16, or say which weight does not fit."""
    import numpy as np

    largest, most = float(np.abs(values).max()), float(np.finfo(np.float16).max)
    if not largest <= most:
        raise KdcError(
            f"the weights {name} reach {largest:.3g} and fp16 ends at {most:.0f}",
            "export it with --method none",
        )
    return values.astype(np.float16)
