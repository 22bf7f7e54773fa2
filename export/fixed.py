"""Models of one length, for accelerators whose compilers want every shape known.

A text is then padded up to the length (`kdc.export.session` does so), and costs as much as the
longest.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kdc.compress.errors import KdcError
from kdc.export.session import INPUTS, OUTPUT

if TYPE_CHECKING:
    from onnx import ModelProto


def fix_length(model: "ModelProto", length: int) -> None:
    """Declare inputs of (1, length) and an output of (1, C), in place.

    What follows from the numbers (shapes that were computed, masks that were expanded) is left to
    the constant folding of whoever loads it.

    Args:
        model: a text classifier with inputs (batch, length).
        length: tokens of every text, padding included.

    Raises:
        KdcError: the length is none, the model has another fixed one, or it takes no
            attention_mask and would read padding as text.
    """
    if length < 1:
        raise KdcError(f"a length of {length} holds no text: give a whole number from 1")
    names = [value.name for value in model.graph.input]
    if INPUTS[1] not in names:
        raise KdcError(f"a model without {INPUTS[1]} cannot be padded, so not be of one length")
    for value in model.graph.input:
        _set(value.name, value.type.tensor_type.shape.dim, (1, length))
    for value in model.graph.output:
        if value.name == OUTPUT:
            _set(value.name, value.type.tensor_type.shape.dim[:1], (1,))
    del model.graph.value_info[:]  # which names the axes that were free


def _set(name: str, axes: Sequence[Any], sizes: tuple[int, ...]) -> None:
    if len(axes) != len(sizes):
        raise KdcError(f"the model's {name} has {len(axes)} axes, wanted {len(sizes)}")
    for axis, size in zip(axes, sizes, strict=True):
        if axis.HasField("dim_value") and axis.dim_value != size:
            raise KdcError(
                f"the model's {name} already has the fixed size {axis.dim_value}, not {size}: "
                "export it again"
            )
        axis.dim_value = size
