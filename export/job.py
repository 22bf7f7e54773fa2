"""What `kdc export` is asked for."""

from dataclasses import dataclass
from pathlib import Path

from kdc.export.targets import DEFAULT


@dataclass(frozen=True)
class ExportJob:
    """A student folder, where it goes, and how; the names are those of the command's options."""

    student: Path
    """A student folder."""
    out: Path
    """The phone folder; `student.onnx` (or `student.ort`) is written beside it."""
    method: str = "auto"
    """A name from `QUANTIZERS`, or `auto`."""
    exporter: str = "auto"
    """A name from `EXPORTERS`, or `auto`."""
    max_drop: float | None = None
    """Points of the metric that may be lost against the student; None for one point, and no more
    than chance may lose."""
    target: str = DEFAULT
    """A name from `TARGETS`: noted as where the file is meant to run; every one gets the same."""
    vocab: str | None = None
    """`keep`, `task` or a number of tokens; None for `task` where that costs nothing."""
    embedding_rank: int | None = None
    """Width of the factorised word embeddings; None leaves them whole."""
    layout: str = "single"
    """A name from `LAYOUTS`."""
    length: int | None = None
    """Tokens that every text is cut or padded to, for a graph of one shape; None for any length."""
    probabilities: bool = False
    """Whether the model answers with probabilities beside its logits."""
