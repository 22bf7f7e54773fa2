"""Embedding tables in 8 and in 4 bits; only the rows of a text are ever expanded."""

import numpy as np

from kdc.compress.examples import Array
from kdc.export.edit import MICROSOFT, Editor, Table
from kdc.export.quantizers.rounding import fit_scales, to_int8

FINE, COARSE = 32, 128
"""Weights that share a scale. Measured on a 3x384 student, whose logits spread by 2.9: fine blocks
move a logit by .060, coarse ones by .089 and are a tenth smaller."""


def put_int8_rows(editor: Editor, table: Table) -> None:
    """Store a table in signed bytes with one scale per row, in standard operators.

    Rare words have embeddings several times as short as frequent ones: with one scale for the
    whole table theirs would round to a few steps.
    """
    from onnx import TensorProto, helper

    rounded, scale = to_int8(table.rows)
    scales = editor.store(f"{table.name}.scale", scale[:, None])
    stored, out = editor.store(f"{table.name}.int8", rounded), table.output
    nodes = [
        helper.make_node(table.operator, [stored, *table.index], [f"{out}.int8"]),
        helper.make_node(table.operator, [scales, *table.index], [f"{out}.scale"]),
        helper.make_node("Cast", [f"{out}.int8"], [f"{out}.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out]),
    ]
    for node in nodes:
        node.name = node.output[0]
    editor.replace(table.outputs, nodes)


def put_int4_rows(editor: Editor, table: Table, block: int) -> None:
    """Store a table in 4 bits with an fp16 scale for every `block` weights; it stays so in memory.

    A table that is read by Slice has no operator for that and is stored in 8 bits.
    """
    from onnx import TensorProto, helper

    if table.operator != "Gather":
        put_int8_rows(editor, table)
        return
    rounded, scale = round_rows(table.rows, block)
    out = table.output
    inputs = [
        editor.store_nibbles(f"{table.name}.int4", rounded, signed=True),
        *table.index,
        editor.store(f"{table.name}.scale", scale),
    ]
    gather = helper.make_node(
        "GatherBlockQuantized",
        inputs,
        [f"{out}.half"],
        name=f"{out}.half",
        domain=MICROSOFT,
        gather_axis=0,
        quantize_axis=1,
        block_size=block,
    )
    widen = helper.make_node("Cast", [f"{out}.half"], [out], name=out, to=TensorProto.FLOAT)
    editor.replace(table.outputs, [gather, widen])


def round_rows(rows: Array, block: int) -> tuple[Array, Array]:
    """Round (V, H) rows to -8 ... 7: (V, H) int8 and (V, blocks) fp16; a last block is shorter."""
    count, width = rows.shape
    blocks = -(-width // block)
    padded = np.pad(rows, ((0, 0), (0, blocks * block - width))).reshape(-1, block)
    scale = fit_scales(padded, -8, 7, np.linspace(1, 0.6, 17)).astype(np.float16)
    # a scale below the smallest fp16 number would divide by zero; its weights round to zero
    scale = np.maximum(scale, np.float16(6e-8))
    rounded = np.clip(np.rint(padded / scale[:, None].astype(np.float32)), -8, 7)
    rounded = rounded.reshape(count, -1)[:, :width].astype(np.int8)
    return rounded, scale.reshape(count, blocks)
