"""What a student has to beat: models that need no transformer, trained on the same rows."""

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from kdc.compress.arrays import Logits
from kdc.compress.baseline import Answers, fit_bag_of_words
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.progress import Progress
from kdc.compress.static_embeddings import fit_static_embeddings

NAMES = {
    "scratch": "the same student from scratch",
    "static_embeddings": "an average of token embeddings",
    "bag_of_words": "a bag of words",
}
"""Every control, the one trained by the loop included, as a sentence calls it."""
_FEATURES = 50_000_000  # of all rows together: 0.2 GB, of which four copies are held
_CHARACTERS = 20_000_000  # of all rows together: a word and its pairs take some 25 bytes each


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
    pairs, rows = data.train.pairs or [], len(data.train)
    features = table.shape[1] * (4 if data.task.pair else 1)
    characters = sum(map(len, data.train.texts)) + sum(map(len, pairs))
    averaged = _some(data.train, _FEATURES // features)
    counted = _some(data.train, _CHARACTERS * rows // max(1, characters))
    for name, some in (("averages embeddings", averaged), ("counts words", counted)):
        if len(some) < rows:
            progress.say(f"the control that {name} learns from {len(some):,} of {rows:,} rows")
    with progress.bar("fitting the linear controls", 2) as advance:
        found["static_embeddings"] = fit_static_embeddings(averaged, data.task, tokenizer, table)
        advance(1)
        found["bag_of_words"] = fit_bag_of_words(counted, data.task)
        advance(1)
    splits = {"dev": data.dev, "test": data.test}
    return {
        name: {where: answers(rows) for where, rows in splits.items() if rows is not None}
        for name, answers in found.items()
    }


def _some(rows: Split, most: int) -> Split:
    """Return at most so many rows, drawn evenly: what a linear model learns is soon learned."""
    if len(rows) <= most:
        return rows
    picks = np.random.default_rng(0).choice(len(rows), max(2, most), replace=False)
    return rows.pick(np.sort(picks))
