"""What `kdc export` is asked for."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from kdc.compress.errors import KdcError
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

    def __post_init__(self) -> None:
        """Refuse numbers that would be passed over; which lengths there are the student tells.

        Raises:
            KdcError: an option makes no sense; it is named.
        """
        drop, rank = self.max_drop, self.embedding_rank
        if drop is not None and not (isfinite(drop) and drop >= 0):
            raise KdcError(f"--max-drop {drop:g}: give a number of points from 0")
        if rank is not None and rank < 1:
            raise KdcError(f"--embedding-rank {rank}: give a whole number from 1")
