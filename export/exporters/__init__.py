"""The ways to turn a student into an fp32 `.onnx`: one file each, one table of names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kdc.export.exporters.torch_exporter import export_torch


@dataclass(frozen=True)
class Exporter:
    """A row of the table of exporters."""

    about: str
    export: Callable[[Path, Path], None]
    """Reads a student folder and writes an fp32 `.onnx`: int64 `input_ids`, `attention_mask` and,
    where the model has more than one token type, `token_type_ids`, each (batch, length);
    float32 `logits` (batch, C)."""


EXPORTERS = {"torch": Exporter("torch's own exporter, for every encoder family", export_torch)}
