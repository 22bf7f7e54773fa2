"""Static int8 in QDQ form: every scale is fixed from calibration rows, as NPUs' compilers want it.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-
Only Inference", arXiv 1712.05877.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kdc.compress.errors import KdcError
from kdc.export.quantizers.situation import Situation
from kdc.export.quiet import quiet

if TYPE_CHECKING:
    from kdc.compress.arrays import Array
    from kdc.compress.examples import Examples

_ROWS = 64  # evenly spread over the calibration rows; ONNX Runtime keeps what they make
_OPERATORS = ["MatMul", "Gemm"]


def quantize_static_int8(fp32: Path, out: Path, situation: Situation) -> None:
    """Quantize an `.onnx` with scales that no longer depend on the text.

    Weights become signed with one scale per output channel, what flows into and out of matrix
    products unsigned with one scale each, products of two activations among them; embeddings
    signed with one scale per row, outside the QDQ pairs.

    Args:
        fp32: a graph in standard operators.
        out: where the quantized `.onnx` goes.
        situation: its calibration rows are run, at most 64 of them.

    Raises:
        KdcError: there are no calibration rows, or a matrix stayed in fp32.
    """
    from kdc.export.edit import Editor
    from kdc.export.quantizers.leftovers import refuse_leftovers
    from kdc.export.quantizers.rows import put_int8_rows

    if not len(situation.calibration):
        raise KdcError(
            "int8-static needs texts to take its scales from and calibration.npz holds none: "
            "distil again, or choose another --method"
        )
    with TemporaryDirectory(dir=out.parent) as scratch, quiet():
        tables = Path(scratch) / "tables.onnx"
        editor = Editor.load(fp32)
        for table in editor.tables():
            put_int8_rows(editor, table)
        editor.finish(tables)
        _quantize(tables, out, situation.calibration)
    refuse_leftovers("int8-static", Editor.load(out).model.graph)


def _quantize(source: Path, out: Path, rows: "Examples") -> None:
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    quantize_static(
        source,
        out,
        _Feeds(rows, _inputs(source)),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_OPERATORS,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
    )


def _inputs(path: Path) -> list[str]:
    import onnx

    return [value.name for value in onnx.load(path).graph.input]


class _Feeds:
    """What ONNX Runtime calls a CalibrationDataReader: one row after the other, then None."""

    def __init__(self, rows: "Examples", inputs: list[str]) -> None:
        self._feeds = _feeds(rows, inputs)

    def get_next(self) -> "dict[str, Array] | None":
        """Return the next row's inputs, each (1, T) int64."""
        return next(self._feeds, None)


def _feeds(rows: "Examples", inputs: list[str]) -> Iterator[dict[str, Any]]:
    import numpy as np

    from kdc.export.parity import spread

    for index in spread(len(rows), _ROWS):
        tokens, types = rows.row(int(index))
        given = {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "token_type_ids": types,
        }
        yield {name: given[name][None] for name in inputs}
