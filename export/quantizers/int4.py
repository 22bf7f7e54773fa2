"""4 bits on disk, 8 in memory: a 4-bit file that runs on the int8 kernels."""

from pathlib import Path
from typing import TYPE_CHECKING

from kdc.export.quantizers.situation import Situation

if TYPE_CHECKING:
    from kdc.compress.arrays import Array
    from kdc.compress.grids import Grid
    from kdc.compress.outliers import Outliers
    from kdc.export.edit import Editor, Linear

    Rounded = tuple[Array, Grid]

_OPSET = 21  # the first with 4-bit integers


def quantize_int4(fp32: Path, out: Path, situation: Situation) -> None:
    """Store every matrix in 4 bits, rounded by GPTQ on the calibration rows.

    A weight is nibble * multiplier of its block * scale of its column, all but the last whole
    numbers: ONNX Runtime folds Cast and Mul into bytes when it loads and the int8 kernels run
    them as they are. Multiplying in 4 bits was measured ten times slower.

    Raises:
        KdcError: a matrix stayed in fp32, or the graph's opset is too old for 4 bits.
    """
    from kdc.export.edit import Editor
    from kdc.export.quantizers.activations import second_moments
    from kdc.export.quantizers.leftovers import refuse_leftovers
    from kdc.export.quantizers.outliers import outliers_of
    from kdc.export.quantizers.rows import put_int4_rows

    editor = Editor.load(fp32)
    editor.need(_OPSET)
    linears = list(editor.linears())
    moments = second_moments(editor.model, [each.input for each in linears], situation.calibration)
    rounded = _round_all(linears, moments)
    outliers = outliers_of(fp32, editor, linears, situation)
    for linear in linears:
        put_int4(editor, linear, *rounded[_key(linear)], outliers.get(linear.output))
    for table in editor.tables():
        put_int4_rows(editor, table)
    editor.finish(out)
    refuse_leftovers("int4", editor.model.graph)


def put_int4(
    editor: "Editor",
    linear: "Linear",
    nibbles: "Array",
    grid: "Grid",
    outliers: "Outliers | None" = None,
) -> None:
    """Replace a layer by one whose weight is expanded from 4 bits when the model is loaded."""
    from kdc.export.quantizers.expanded import store_expanded
    from kdc.export.quantizers.matrices import put_matmul

    rows, columns = nibbles.shape
    blocks = len(grid.multipliers)
    split, times = nibbles.reshape(blocks, rows // blocks, columns), grid.multipliers[:, None]
    weight = store_expanded(editor, linear.name, split, times, (rows, columns))
    put_matmul(editor, linear, weight, grid.scale, outliers)


def _round_all(linears: "list[Linear]", moments: "dict[str, Array]") -> "dict[object, Rounded]":
    """Round every weight once, on the inputs of all layers that share it."""
    import numpy as np

    seen: dict[object, Array] = {}
    weights: dict[object, Array] = {}
    for linear in linears:
        key, size = _key(linear), len(linear.weight)
        weights[key] = linear.weight
        nothing = np.zeros((size, size), dtype=np.float32)
        seen[key] = seen.get(key, nothing) + moments.get(linear.input, nothing)
    return {key: _round(weight, seen[key]) for key, weight in weights.items()}


def _round(weight: "Array", moments: "Array") -> "Rounded":
    """Round a weight by GPTQ, or to the nearest values where its layer saw nothing.

    One that was trained in 4 bits is left where it is: it has learnt to live with its rounding.
    """
    import numpy as np

    from kdc.compress.gptq import round_gptq
    from kdc.compress.grids import block_size, find_grid, fit_grid, round_nearest

    block = block_size(len(weight))
    trained = find_grid(weight, block)
    if trained is not None:
        return round_nearest(weight, trained), trained
    if not moments.any():
        grid = fit_grid(weight, block)
        return round_nearest(weight, grid), grid
    grid = fit_grid(weight, block, np.diag(moments))
    return round_gptq(weight, grid, moments), grid


def _key(linear: "Linear") -> object:
    """Return what is equal for layers that share a weight."""
    return linear.weight.shape, linear.weight.tobytes()
