"""The ways to store a model's weights: one file each, one table of names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import unknown
from kdc.export.options import DEFAULT, PHONE, SessionOptions
from kdc.export.quantizers.fp16 import quantize_fp16
from kdc.export.quantizers.int4 import quantize_int4
from kdc.export.quantizers.int8_dynamic import quantize_int8, quantize_int8_embeddings4
from kdc.export.quantizers.int8_static import quantize_static_int8
from kdc.export.quantizers.none import keep_fp32
from kdc.export.quantizers.situation import Situation


@dataclass(frozen=True)
class Quantizer:
    """A row of the table of quantizers."""

    about: str
    quantize: Callable[[Path, Path, Situation], None]
    """Reads an fp32 `.onnx` and writes a smaller one with the same inputs and outputs."""
    standard: bool = False
    """Whether it wants the graph in standard ONNX operators only, for other runtimes than ours;
    `auto` leaves those out, for its gate measures what runs here."""
    session: SessionOptions = PHONE
    """How its files are best opened."""


NONE = "none"
AUTO = "auto"
QUANTIZERS = {
    NONE: Quantizer("fp32, as exported", keep_fp32),
    "fp16": Quantizer("half the bytes; widened to fp32 at load", quantize_fp16),
    "int8-dynamic": Quantizer(
        "int8 matrices, a scale per channel; int8 embeddings, a scale per row; "
        "activations are scaled as they come",
        quantize_int8,
    ),
    "int8-embeddings4": Quantizer(
        "int8-dynamic with embeddings in 4 bits, also in memory", quantize_int8_embeddings4
    ),
    "int8-static": Quantizer(
        "int8 matrices and activations with scales fixed on calibration rows, as NPUs want them",
        quantize_static_int8,
        standard=True,
        session=DEFAULT,  # whose fusions are what makes these graphs fast
    ),
    "int4": Quantizer(
        "everything in 4 bits on disk, matrices rounded by GPTQ and expanded to int8 at load",
        quantize_int4,
    ),
}


def methods(name: str) -> list[str]:
    """Return what `--method` asks for: one method, or for `auto` all that make our file smaller.

    Raises:
        KdcError: there is no such method.
    """
    if name == AUTO:
        return [name for name, row in QUANTIZERS.items() if name != NONE and not row.standard]
    if name not in QUANTIZERS:
        raise unknown("quantization method", name, [AUTO, *QUANTIZERS])
    return [name]


def describe_quantizers() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the columns and rows of `kdc list quantizers`."""
    rows: list[tuple[str, ...]] = [(name, row.about) for name, row in QUANTIZERS.items()]
    auto = (AUTO, "the smallest download that passes the accuracy gate; int8-static only by name")
    return ("method", "about"), [*rows, auto]
