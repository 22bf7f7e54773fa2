import inspect

import numpy as np
import pytest

from kdc.compress.data.split import choose_dev


def test_every_class_gives_a_tenth() -> None:
    """An unstratified draw left rare classes out of dev."""
    groups = np.repeat([0, 1, 2], [700, 200, 100])
    np.random.default_rng(1).shuffle(groups)
    chosen = choose_dev(groups, np.arange(len(groups)))
    assert np.bincount(groups[chosen]).tolist() == [70, 20, 10]
    assert (np.diff(chosen) > 0).all()


def test_one_choice_for_every_run() -> None:
    """A student of seed 1 was tested on rows that its teacher, of seed 0, had learned."""
    groups = np.arange(500) % 3
    assert (
        choose_dev(groups, np.arange(500)).tolist() == choose_dev(groups, np.arange(500)).tolist()
    )
    assert list(inspect.signature(choose_dev).parameters) == ["groups", "texts"]


def test_not_always_the_same_classes_are_rounded_up() -> None:
    """With 5 rows a class, only the alphabet's first half was ever measured."""
    groups = np.repeat(np.arange(150), 5)
    chosen = groups[choose_dev(groups, np.arange(len(groups)))]
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
    chosen = choose_dev(groups, np.arange(len(groups)))
    left = np.bincount(np.delete(groups, chosen), minlength=len(counts))
    assert len(set(chosen.tolist())) == len(chosen) == expected
    assert (left[np.array(counts) > 0] >= 1).all()


def test_no_text_stands_on_both_sides() -> None:
    """Bug: every row stands twice, and dev asks for what the teacher has learned by heart."""
    groups, texts = np.repeat([0, 1], [1600, 400]), np.arange(2000) // 2
    chosen = choose_dev(groups, texts)
    assert np.bincount(groups[chosen]).tolist() == [160, 40]
    assert not set(texts[chosen]) & set(np.delete(texts, chosen))


def test_a_text_of_half_the_rows_stays_in_train() -> None:
    """Bug: what everybody says goes to dev with all its rows, and little is left to learn."""
    texts = np.append(np.zeros(500, dtype=np.int64), np.arange(1, 501))
    chosen = choose_dev(np.zeros(1000, dtype=np.int64), texts)
    assert len(chosen) == 100
    assert 0 not in texts[chosen]


def test_the_rarest_text_is_chosen_where_none_fits_a_share() -> None:
    """Bug: a class of three texts with hundreds of copies each is never measured."""
    groups = np.repeat([0, 1], [600, 400])
    texts = np.repeat(np.arange(403), [300, 200, 100, *[1] * 400])
    chosen = choose_dev(groups, texts)
    assert set(texts[chosen][groups[chosen] == 0]) == {2}
    only = choose_dev(groups, np.append(np.zeros(600, dtype=np.int64), np.arange(1, 401)))
    assert (groups[only] == 1).all()  # there would be nothing left to learn


def test_a_text_of_two_classes_counts_in_both() -> None:
    """Bug: its rows are taken twice, and a class gives more than its share."""
    groups, texts = np.repeat([0, 1], 500), np.tile(np.arange(500), 2)
    chosen = choose_dev(groups, texts)
    assert not set(texts[chosen]) & set(np.delete(texts, chosen))
    assert 90 <= len(chosen) <= 110


def test_a_text_of_two_classes_leaves_both_a_row_for_training() -> None:
    """Bug: a class is in dev alone, since its rows went along with those of another class."""
    groups, texts = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2])
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(4)
        chosen = choose_dev(groups[order], texts[order])
        assert set(np.delete(groups[order], chosen)) == {0, 1}
        assert not set(texts[order][chosen]) & set(np.delete(texts[order], chosen))
