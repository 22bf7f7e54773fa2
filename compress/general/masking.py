"""Which places of some sequences are masked: as their corpus has it, or drawn while training."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Masks:
    """The masked places of some sequences, one sequence after the other."""

    counts: Index
    """(B,) how many a sequence has."""
    places: Index
    """(M,) places inside their sequences, ascending in each."""
    inputs: Index
    """(M,) what stands there in the input."""
    labels: Index | None = None
    """(M,) which of the shard's masked places they are; None where they were drawn just now."""
    examples: Index | None = None
    """(B,) which of the shard's examples they are; None where they were drawn just now."""
