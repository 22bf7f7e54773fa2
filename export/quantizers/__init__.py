"""The ways to store a model's weights: one file each, one table of names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import unknown
from kdc.export.quantizers.int8_dynamic import quantize_int8
from kdc.export.quantizers.none import keep_fp32


@dataclass(frozen=True)
class Quantizer:
    """A row of the table of quantizers."""

    about: str
    quantize: Callable[[Path, Path], None]
    """Reads an fp32 `.onnx` and writes a smaller one with the same inputs and outputs."""


NONE = "none"
AUTO = "auto"
QUANTIZERS = {
    NONE: Quantizer("fp32, as exported", keep_fp32),
    "int8-dynamic": Quantizer(
        "int8 weights per channel and int8 embeddings; activations are scaled as they come",
        quantize_int8,
    ),
}


def methods(name: str) -> list[str]:
    """Return what `--method` asks for: one method, or for `auto` all that make a file smaller.

    Raises:
        KdcError: there is no such method.
    """
    if name == AUTO:
        return [method for method in QUANTIZERS if method != NONE]
    if name not in QUANTIZERS:
        raise unknown("quantization method", name, [AUTO, *QUANTIZERS])
    return [name]


def describe_quantizers() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns and rows of `kdc list quantizers`."""
    rows: list[tuple[str, ...]] = [(name, row.about) for name, row in QUANTIZERS.items()]
    auto = (AUTO, "the smallest file of the others that passes the accuracy gate")
    return ("method", "about"), [*rows, auto]
