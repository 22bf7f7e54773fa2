"""Which layers of a graph take activations with outlier channels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdc.compress.examples import Examples
from kdc.compress.outliers import Outliers, far_out
from kdc.export.quantizers.activations import largest

if TYPE_CHECKING:
    from kdc.export.edit import Editor, Linear

_OPERATORS = ("Gelu", "Relu")  # whose values have them


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
