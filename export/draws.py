"""The texts that a model is measured on: drawn token ids, the lengths in a shuffled order."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.export.jobs import Job

Row = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""(T,) token ids and (T,) token types, int64."""


def draw_rows(job: Job, count: int) -> Iterator[list[Row]]:
    """Yield for ever `count` texts of the next length.

    Ids are fresh each time: one text over and over would find its embeddings in the caches.
    """
    rng = np.random.default_rng(job.seed)
    for length in cycle(rng.permutation(job.lengths).tolist()):
        ids = rng.integers(*job.ids, size=(count, length))
        yield [(tokens, np.zeros_like(tokens)) for tokens in ids]
