"""What a model says of itself, in its `metadata_props`.

A model that was copied out of its phone folder still tells what it answers, how long its texts
are and how large its vocabulary is.
"""

import json

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.artifact import Student
from kdc.compress.files import read_json
from kdc.export.session import PADDING

_QUANTILES = 64


def facts(student: Student, rows: int, lengths: Array) -> dict[str, str]:
    """Return what a student's `.onnx` says of itself.

    Args:
        student: the student folder.
        rows: rows of the word embeddings that ship.
        lengths: (N,) tokens of each dev text.

    Returns:
        `kdc.task` (JSON of the task), `kdc.max_length` (tokens), `kdc.vocab` (rows), `kdc.padding`
        (the padding token's id) and `kdc.lengths` (JSON list of at most 64 quantiles of `lengths`).
    """
    padding = read_json(student.folder / "config.json").get("pad_token_id")
    return {
        "kdc.task": json.dumps(student.task.as_dict(), sort_keys=True),
        "kdc.max_length": str(student.max_length),
        "kdc.vocab": str(rows),
        PADDING: str(padding or 0),
        "kdc.lengths": json.dumps(quantiles(lengths)),
    }


def quantiles(lengths: Array) -> list[int]:
    """Return at most 64 of the (N,) lengths, spread evenly from the shortest to the longest."""
    ordered = np.sort(lengths)
    places = np.linspace(0, len(ordered) - 1, min(_QUANTILES, len(ordered)))
    return [int(length) for length in ordered[places.round().astype(int)]]
