"""Which layers of a graph take activations with outlier channels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.examples import Examples
from kdc.compress.outliers import Outliers, far_out
from kdc.export.quantizers.activations import largest
from kdc.export.quantizers.situation import Situation

if TYPE_CHECKING:
    from kdc.export.edit import Editor, Linear

_OPERATORS = ("Gelu", "Relu")  # whose values have them


def outliers_of(
    fp32: Path, editor: "Editor", linears: "Sequence[Linear]", situation: Situation
) -> dict[str, Outliers]:
    """Look for them as `find_outliers` does, once for all methods that read the same graph."""
    if fp32 not in situation.outliers:
        situation.outliers[fp32] = find_outliers(editor, linears, situation.calibration)
    return situation.outliers[fp32]


def find_outliers(
    editor: "Editor", linears: "Sequence[Linear]", rows: Examples
) -> dict[str, Outliers]:
    """Look for them on real rows.

    Args:
        editor: the fp32 graph.
        linears: its layers.
        rows: what is run; without any, none is found.

    Returns:
        The outliers of a layer's input by the name of its output; most layers have none.
    """
    suspects = [each for each in linears if editor.maker(each.input) in _OPERATORS]
    sizes = largest(editor.model, [each.input for each in suspects], rows)
    found = {each.output: far_out(sizes[each.input]) for each in suspects if each.input in sizes}
    return {name: outliers for name, outliers in found.items() if outliers is not None}
