"""What a quantizer may want to know beside the file: rows of the task, and what was asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdc.compress.examples import Examples
    from kdc.compress.outliers import Outliers


@dataclass(frozen=True)
class Situation:
    """Rows that are like those a quantizer's file will see, and what was asked for."""

    calibration: "Examples"
    """Rows of the training text, for the methods that look at activations."""
    length: int | None = None
    """Tokens of every text, padding included, once the file is written; None for any length."""
    outliers: "dict[Path, dict[str, Outliers]]" = field(default_factory=dict)
    """What was found so far, by the fp32 graph: methods that are tried in turn share its runs."""
