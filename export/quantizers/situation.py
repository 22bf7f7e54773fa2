"""What a quantizer may want to know beside the file: rows of the task, and where it will run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdc.compress.examples import Examples


@dataclass(frozen=True)
class Situation:
    """Where a quantizer's file will run, and rows that are like those it will see."""

    calibration: "Examples"
    """Rows of the training text, for the methods that look at activations."""
    target: str
    """A name from `kdc.export.targets.TARGETS`: whose kernels the file is made for."""
    length: int | None = None
    """Tokens of every text, padding included; None for any length."""
