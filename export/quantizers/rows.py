"""Embedding tables in 8 and in 4 bits; only the rows of a text are ever expanded."""

from typing import TYPE_CHECKING

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.rounding import BLOCK, LOWEST, fits_int4, to_int4, to_int8
from kdc.export.edit import Editor, Table

if TYPE_CHECKING:
    from onnx import NodeProto

_OPSET = 18  # the first with BitwiseAnd


def put_int8_rows(editor: Editor, table: Table) -> None:
    """Store a table in signed bytes with one scale per row, in standard operators.

    Rare words have embeddings several times as short as frequent ones: with one scale for the
    whole table theirs would round to a few steps.
    """
    from onnx import TensorProto, helper

    rounded, scale = to_int8(table.rows)
    stored, out = editor.store(f"{table.name}.int8", rounded.astype(np.int8)), table.output
    rows, wide = f"{out}.int8", f"{out}.float"
    nodes = [
        helper.make_node(table.operator, [stored, *table.index], [rows], name=rows),
        helper.make_node("Cast", [rows], [wide], name=wide, to=TensorProto.FLOAT),
    ]
    editor.replace(table.outputs, [*nodes, *_scaled(editor, table, wide, scale)])


def put_int4_rows(editor: Editor, table: Table) -> None:
    """Store a table in 4 bits with an fp16 scale for every 64 weights; it stays so in memory.

    All in standard operators: a byte holds a number of the row's first half and one of its second,
    so that the halves laid end to end are the row; a product with ones and zeros gives every
    weight its block's scale. ONNX Runtime's GatherBlockQuantized was measured to take 84
    microseconds for 20 tokens, this a third. A table of few rows, or of odd width, is stored in 8
    bits.
    """
    from onnx import TensorProto, helper

    if not fits_int4(*table.rows.shape):
        put_int8_rows(editor, table)
        return
    editor.need(_OPSET)
    rounded, scale = to_int4(table.rows)
    out = table.output
    stored = editor.store(f"{table.name}.int4", packed(rounded))
    fifteen = editor.store("uint8.fifteen", np.array(15, dtype=np.uint8))
    four = editor.store("uint8.four", np.array(4, dtype=np.uint8))
    eight = editor.store("uint8.eight", np.array(-LOWEST, dtype=np.uint8))
    one = editor.store("float.one", np.array(1, dtype=np.float32))
    pairs, low, high, row, wide = (
        f"{out}.{part}" for part in ("pairs", "low", "high", "int4", "float")
    )
    nodes = [
        helper.make_node(table.operator, [stored, *table.index], [pairs], name=pairs),
        helper.make_node("BitwiseAnd", [pairs, fifteen], [low], name=low),
        helper.make_node("BitShift", [pairs, four], [high], name=high, direction="RIGHT"),
        helper.make_node("Concat", [low, high], [row], name=row, axis=-1),
        helper.make_node("DequantizeLinear", [row, one, eight], [wide], name=wide),
    ]
    half, found, scales = (f"{out}.scale.{part}" for part in ("half", "block", "weight"))
    stored = editor.store(f"{table.name}.scale", scale.astype(np.float16))
    spread = editor.store(f"blocks.{table.rows.shape[1]}", _spread(table.rows.shape[1]))
    nodes += [
        helper.make_node(table.operator, [stored, *table.index], [half], name=half),
        helper.make_node("Cast", [half], [found], name=found, to=TensorProto.FLOAT),
        helper.make_node("MatMul", [found, spread], [scales], name=scales),
        helper.make_node("Mul", [wide, scales], [out], name=out),
    ]
    editor.replace(table.outputs, nodes)


def _spread(width: int) -> Array:
    """Return (blocks, H) float32: 1 where a weight belongs to a block."""
    return np.equal.outer(np.arange(-(-width // BLOCK)), np.arange(width) // BLOCK).astype("f4")


def packed(rounded: Array) -> Array:
    """Put (V, H) whole numbers from -8 to 7, two to a byte, into (V, H / 2) uint8.

    The lower half of a byte belongs to the first half of the row; 8 stands for 0.
    """
    raised = (rounded - LOWEST).astype(np.uint8)
    low, high = np.split(raised, 2, axis=1)
    return np.asarray(low | (high << 4))


def _scaled(editor: Editor, table: Table, wide: str, scale: Array) -> "list[NodeProto]":
    """Return the nodes that look up the scales of a text's rows, (V,), and multiply by them."""
    from onnx import helper

    scales, found = editor.store(f"{table.name}.scale", scale[:, None]), f"{table.output}.scale"
    return [
        helper.make_node(table.operator, [scales, *table.index], [found], name=found),
        helper.make_node("Mul", [wide, found], [table.output], name=table.output),
    ]
