from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from kdc.compress.evaluate import predict
from kdc.compress.examples import Examples
from kdc.compress.progress import Advance, Silent
from tests.families import FAMILIES, family_model
from tests.tiny import tiny_data, tiny_model, tiny_rows


def reordered(examples: Examples, order: list[int]) -> Examples:
    rows = [examples.row(index) for index in order]
    return replace(
        examples,
        tokens=np.concatenate([ids for ids, _ in rows]),
        types=np.concatenate([types for _, types in rows]),
        lengths=examples.lengths[order],
        labels=examples.labels[order],
        texts=[examples.texts[index] for index in order],
        pairs=None,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_those_of_each_row_alone_in_any_order(family: str) -> None:
    """Bug: padding or company changes an answer, or answers come back in order of length."""
    model, examples = family_model(family), tiny_rows(tiny_data().dev)
    logits = predict(model, examples, padding=0)
    assert logits.shape == (len(examples), 3)
    assert logits.dtype == np.float32
    with torch.no_grad():
        for index in range(len(examples)):
            ids, _ = examples.row(index)
            alone = model(input_ids=torch.from_numpy(ids)[None]).logits[0].numpy()
            np.testing.assert_allclose(logits[index], alone, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(examples)).tolist()
    shuffled = predict(model, reordered(examples, order), padding=0)
    np.testing.assert_allclose(shuffled, logits[order], atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_a_model_is_evaluated_without_dropout_and_goes_on_as_it_was(training: bool) -> None:
    """Bug: after the first evaluation the rest of the run trains without dropout."""
    model, examples = tiny_model().train(training), tiny_rows(tiny_data().dev)
    first, second = predict(model, examples, 0), predict(model, examples, 0)
    assert np.array_equal(first, second)
    assert model.training is training
    assert all(parameter.grad is None for parameter in model.parameters())


class Counter(Silent):
    """Adds up what a bar is told."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, int]] = []
        self.units = 0

    def count(self, units: int) -> None:
        self.units += units

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        self.bars.append((what, total))
        yield self.count


def test_progress_counts_every_row_once() -> None:
    """Bug: a bar that ends at 30 %, or at 300 %."""
    examples, progress = tiny_rows(tiny_data().dev), Counter()
    predict(tiny_model(), examples, 0, progress=progress, what="scoring")
    assert progress.bars == [("scoring", len(examples))]
    assert progress.units == len(examples)
