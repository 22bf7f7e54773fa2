"""What every `.onnx` of ours looks like: one plain file, the same bytes each time, and its facts.

The facts are the file's own `metadata_props`, so that a model that was copied out of its phone
folder still says what it answers and how long its texts are.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdc.compress.artifact import Student
from kdc.compress.errors import KdcError
from kdc.compress.examples import Array
from kdc.compress.files import read_json

if TYPE_CHECKING:
    from onnx import ModelProto

_QUANTILES = 64


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


def facts(student: Student, lengths: Array) -> dict[str, str]:
    """Return what a student's `.onnx` says of itself.

    Args:
        student: the student folder.
        lengths: (N,) tokens of each dev text.

    Returns:
        `kdc.task` (JSON of the task), `kdc.max_length` (tokens), `kdc.vocab` (rows of the
        embedding) and `kdc.lengths` (JSON list of at most 64 quantiles of `lengths`).

    Raises:
        KdcError: the config names no vocabulary.
    """
    config = student.folder / "config.json"
    vocabulary = read_json(config).get("vocab_size")
    if not isinstance(vocabulary, int):
        raise KdcError(f"{config} has no vocab_size: it is the config of no text encoder")
    return {
        "kdc.task": json.dumps(student.task.as_dict(), sort_keys=True),
        "kdc.max_length": str(student.max_length),
        "kdc.vocab": str(vocabulary),
        "kdc.lengths": json.dumps(quantiles(lengths)),
    }


def quantiles(lengths: Array) -> list[int]:
    """Return at most 64 of the (N,) lengths, spread evenly from the shortest to the longest."""
    ordered = np.sort(lengths)
    places = np.linspace(0, len(ordered) - 1, min(_QUANTILES, len(ordered)))
    return [int(length) for length in ordered[places.round().astype(int)]]
