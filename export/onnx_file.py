"""What every `.onnx` of ours looks like: one plain file, and the same bytes each time."""

from collections.abc import Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    from onnx import ModelProto

MOST = (1 << 31) - 1
"""Bytes of a protobuf message, and so of an `.onnx` with its weights inside."""


def check_size(weights: Path) -> None:
    """Refuse a `model.safetensors` that is too large in fp32 for any `.onnx`, before it is read.

    Raises:
        KdcError: it is.
    """
    from safetensors import SafetensorError, safe_open

    count = 0
    # what is wrong with it is told when it is read
    with suppress(SafetensorError, OSError), safe_open(weights, framework="numpy") as file:
        names = file.keys()
        count = sum(prod(file.get_slice(name).get_shape()) for name in names)
    if 4 * count > MOST:
        raise KdcError(
            f"{weights} holds {count / 1e6:,.0f} million weights, {4 * count / 1e9:.1f} GB in "
            f"fp32, and an .onnx at most {MOST / 1e9:.1f} GB: distil a smaller student, such as "
            "one of fewer tokens with kdc distill --vocab"
        )


def tidy(model: "ModelProto") -> "ModelProto":
    """Name the dynamic axes and drop what an exporter noted on the side, in place.

    The notes (stack traces, shapes it inferred) carry paths of the machine, cost bytes and
    differ between versions; the inferred shapes also stop the quantizer.
    """
    graph = model.graph
    del graph.value_info[:]
    noted = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output)
    for part in noted:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    for value in (*graph.input, *graph.output):
        axes = value.type.tensor_type.shape.dim
        for axis, name in zip(axes, ("batch", "length"), strict=True):
            if not axis.HasField("dim_value"):
                axis.dim_param = name
    return model


def save_model(model: "ModelProto", path: Path) -> None:
    """Write a model with its weights inside; the same model gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))


def stamp(path: Path, facts: Mapping[str, str]) -> None:
    """Replace an `.onnx` file's metadata by `facts`."""
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    for key, value in sorted(facts.items()):
        model.metadata_props.add(key=key, value=value)
    save_model(model, path)
