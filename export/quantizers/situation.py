"""What a quantizer may want to know beside the file: rows of the task, and what was asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdc.compress.examples import Examples


@dataclass(frozen=True)
class Situation:
    """Rows that are like those a quantizer's file will see, and what was asked for."""

    calibration: "Examples"
    """Rows of the training text, for the methods that look at activations."""
    target: str
    """A name from `kdc.export.targets.TARGETS`; no method makes a difference by it."""
    length: int | None = None
    """Tokens of every text, padding included; None for any length."""
