"""The ways to turn a student into an fp32 `.onnx`: one file each, one table of names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdc.compress.errors import unknown
from kdc.export.exporters.lean import export_lean, fits_lean
from kdc.export.exporters.optimum_exporter import export_optimum
from kdc.export.exporters.torch_exporter import export_torch


@dataclass(frozen=True)
class Exporter:
    """A row of the table of exporters."""

    about: str
    export: Callable[[Path, Path, bool], None]
    """Reads a student folder and writes an fp32 `.onnx`: int64 `input_ids`, `attention_mask` and,
    where the model has more than one token type, `token_type_ids`, each (batch, length);
    float32 `logits` (batch, C). The third argument asks for standard ONNX operators only."""


LEAN, TORCH = "lean", "torch"
AUTO = "auto"
EXPORTERS = {
    LEAN: Exporter(
        "our own graph of the BERT family: smaller and faster than a trace", export_lean
    ),
    TORCH: Exporter("torch's own exporter, for every encoder family", export_torch),
    "optimum": Exporter("Hugging Face's optimum, as `kdc[optimum]` installs it", export_optimum),
}


def check_exporter(name: str) -> str:
    """Return `name` when `--exporter` takes it.

    Raises:
        KdcError: there is no such exporter.
    """
    if name not in (AUTO, *EXPORTERS):
        raise unknown("exporter", name, [AUTO, *EXPORTERS])
    return name


def choose_exporter(name: str, folder: Path) -> str:
    """Return the exporter that `--exporter` means for a student folder.

    Raises:
        KdcError: there is no such exporter, or the folder's configuration cannot be read.
    """
    if check_exporter(name) != AUTO:
        return name
    return LEAN if fits_lean(folder) else TORCH
