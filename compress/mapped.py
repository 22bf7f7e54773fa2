"""Safetensors files read where they lie: checked arrays on a memory map."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.errors import KdcError

Arrays = dict[str, npt.NDArray[Any]]
_DTYPES = {
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "U32": "<u4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
}
_LARGEST_HEADER = 1 << 20
_METADATA = "__metadata__"


def map_arrays(path: Path) -> Arrays:
    """Map the arrays of a safetensors file into memory, read-only; nothing is read yet.

    Args:
        path: a file of plain numbers (uint8 to uint32, int8, int64, float16 and float32).

    Raises:
        KdcError: it is missing, cut off, or its header does not describe its bytes exactly.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            count = int.from_bytes(file.read(8), "little")
            if not 2 <= count <= min(_LARGEST_HEADER, size - 8):
                raise ValueError("no header")
            header = json.loads(file.read(count))
        raw = (
            np.memmap(path, dtype=np.uint8, mode="r", offset=8 + count)
            if size > 8 + count
            else None
        )
        return _arrays(header, raw, size - 8 - count)
    except FileNotFoundError as error:
        raise KdcError(f"{path} is missing") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise KdcError(f"{path} is damaged: it is no whole safetensors file") from error


def _arrays(header: dict[str, Any], raw: npt.NDArray[np.uint8] | None, size: int) -> Arrays:
    """Cut the bytes behind a header into its arrays; ValueError where they do not fit."""
    found: Arrays = {}
    reached = 0
    entries = [(name, entry) for name, entry in header.items() if name != _METADATA]
    for name, entry in sorted(entries, key=lambda pair: pair[1]["data_offsets"]):
        kind, shape = np.dtype(_DTYPES[entry["dtype"]]), entry["shape"]
        start, end = entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (start, end, *shape)):
            raise ValueError("no offsets")
        if start != reached or end > size or end - start != kind.itemsize * math.prod(shape):
            raise ValueError("offsets that leave gaps")
        part = np.zeros(0, np.uint8) if raw is None else raw[start:end]
        found[name] = part.view(kind).reshape(shape)
        reached = end
    if reached != size:
        raise ValueError("bytes of no array")
    return found
