import inspect

import numpy as np
import pytest

from kdc.compress.data.split import choose_dev


def test_every_class_gives_a_tenth() -> None:
    """An unstratified draw left rare classes out of dev."""
    groups = np.repeat([0, 1, 2], [700, 200, 100])
    np.random.default_rng(1).shuffle(groups)
    chosen = choose_dev(groups)
    assert np.bincount(groups[chosen]).tolist() == [70, 20, 10]
    assert (np.diff(chosen) > 0).all()


def test_one_choice_for_every_run() -> None:
    """A student of seed 1 was tested on rows that its teacher, of seed 0, had learned."""
    groups = np.arange(500) % 3
    assert choose_dev(groups).tolist() == choose_dev(groups).tolist()
    assert list(inspect.signature(choose_dev).parameters) == ["groups"]


def test_not_always_the_same_classes_are_rounded_up() -> None:
    """With 5 rows a class, only the alphabet's first half was ever measured."""
    groups = np.repeat(np.arange(150), 5)
    chosen = groups[choose_dev(groups)]
    assert len(chosen) == 75
    assert 25 < (chosen < 75).sum() < 50


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([30_000], 2000),
        ([40_000, 1], 2000),
        ([3, 3], 2),
        ([1, 1], 0),
        ([2, 1], 1),
        ([1, 1, 1, 50], 5),
        ([0, 4], 2),
    ],
)
def test_every_class_keeps_a_row_for_training(counts: list[int], expected: int) -> None:
    """A class of one row went to dev, and was a label that train never showed."""
    groups = np.repeat(np.arange(len(counts)), counts)
    chosen = choose_dev(groups)
    left = np.bincount(np.delete(groups, chosen), minlength=len(counts))
    assert len(set(chosen.tolist())) == len(chosen) == expected
    assert (left[np.array(counts) > 0] >= 1).all()
