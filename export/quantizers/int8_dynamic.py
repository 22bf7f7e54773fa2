"""Dynamic int8: weights are stored in 8 bits, activations scaled as they come."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kdc.export.quantizers.situation import Situation

if TYPE_CHECKING:
    from kdc.export.edit import Editor, Table

INT8, EMBEDDINGS4 = "int8-dynamic", "int8-embeddings4"


def quantize_int8(fp32: Path, out: Path, situation: Situation) -> None:
    """Store linear layers in 8 bits with a scale per output channel, tables with one per row.

    Raises:
        KdcError: a matrix stayed in fp32.
    """
    from kdc.export.quantizers.rows import put_int8_rows

    _quantize(fp32, out, INT8, put_int8_rows, situation)


def quantize_int8_embeddings4(fp32: Path, out: Path, situation: Situation) -> None:
    """Store linear layers in 8 bits, and in 4 the embeddings: more than half of a small encoder.

    Raises:
        KdcError: a matrix stayed in fp32, or the graph's opset is too old for 4 bits.
    """
    from kdc.export.quantizers.rows import put_int4_rows

    _quantize(fp32, out, EMBEDDINGS4, put_int4_rows, situation)


def _quantize(
    fp32: Path,
    out: Path,
    method: str,
    put_rows: "Callable[[Editor, Table], None]",
    situation: Situation,
) -> None:
    from kdc.export.edit import Editor
    from kdc.export.quantizers.leftovers import refuse_leftovers
    from kdc.export.quantizers.matrices import put_int8
    from kdc.export.quantizers.outliers import outliers_of

    editor = Editor.load(fp32)
    linears = list(editor.linears())
    outliers = outliers_of(fp32, editor, linears, situation)
    for linear in linears:
        put_int8(editor, linear, outliers.get(linear.output))
    for table in editor.tables():
        put_rows(editor, table)
    editor.finish(out)
    refuse_leftovers(method, editor.model.graph)
