"""What a student has to beat: models that need no transformer, trained on the same rows."""

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from kdc.compress.baseline import Answers, fit_bag_of_words
from kdc.compress.data.dataset import Dataset
from kdc.compress.progress import Progress
from kdc.compress.static_embeddings import fit_static_embeddings

Logits = npt.NDArray[np.float32]
NAMES = {
    "scratch": "the same student from scratch",
    "static_embeddings": "an average of token embeddings",
    "bag_of_words": "a bag of words",
}
"""Every control, the one trained by the loop included, as a sentence calls it."""


def controls(
    data: Dataset, tokenizer: Tokenizer, table: npt.NDArray[np.float32], progress: Progress
) -> dict[str, dict[str, Logits]]:
    """Fit the two linear controls on train and let them answer dev and, where there is one, test.

    Args:
        data: the rows.
        tokenizer: the teacher's.
        table: (V, H) its token embeddings.
        progress: shows how far it is.

    Returns:
        `static_embeddings` and `bag_of_words` -> split -> (N, C) scores.
    """
    found: dict[str, Answers] = {}
    with progress.bar("fitting the linear controls", 2) as advance:
        found["static_embeddings"] = fit_static_embeddings(data.train, data.task, tokenizer, table)
        advance(1)
        found["bag_of_words"] = fit_bag_of_words(data.train, data.task)
        advance(1)
    splits = {"dev": data.dev, "test": data.test}
    return {
        name: {where: answers(rows) for where, rows in splits.items() if rows is not None}
        for name, answers in found.items()
    }
