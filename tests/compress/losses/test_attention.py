import math
from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.losses.attention import Attention
from kdc.compress.losses.objective import Widths
from kdc.compress.signals import Signals
from tests.said import CLASSES, GOLD, LENGTHS, changed, fitted, numbers, said


def scores(signals: Signals, layer: int, row: int, head: int) -> Any:  # noqa: ANN401
    """(n, n) scores of one text and head, over its real tokens alone."""
    n = LENGTHS[row]
    q, k = (numbers(x[layer])[row, :n, head] for x in (signals.queries, signals.keys))
    return q @ k.T / math.sqrt(q.shape[1])


@pytest.mark.parametrize(
    ("layers", "pairs"),
    [("uniform", [(0, 1), (1, 3)]), ("last", [(0, 2), (1, 3)]), ((3, 0), [(0, 3), (1, 0)])],
    ids=str,
)
@pytest.mark.parametrize("width", [8, 16])
def test_the_value_is_the_mean_of_texts_heads_and_pairs_of_tokens(
    layers: str | tuple[int, ...], pairs: list[tuple[int, int]], width: int
) -> None:
    """Bug: the wrong sqrt(d) for a wider teacher, or padding in the mean."""
    student, teacher = said(0), said(1, layers=4, width=width)
    expected = np.mean(
        [
            np.mean((scores(student, ours, row, head) - scores(teacher, theirs, row, head)) ** 2)
            for ours, theirs in pairs
            for row in range(3)
            for head in range(2)
        ]
    )
    loss = fitted(Attention(layers), student, teacher)
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-5)
    assert list(loss.parameters()) == []


def test_queries_and_keys_scaled_against_each_other_attend_alike() -> None:
    """Bug: queries are compared with queries, so that a student may not have its own basis."""
    teacher = said(1)
    turned = changed(teacher, lambda x: x)
    student = Signals(
        teacher.logits,
        teacher.hidden,
        teacher.mask,
        tuple(4 * x for x in turned.queries),
        tuple(x / 4 for x in turned.keys),
    )
    loss = fitted(Attention(), teacher, teacher)
    assert loss(student, teacher, GOLD).item() == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize(
    ("width", "way"), [(8, "set --heads 4, or use rel"), (6, "choose a width that 4 divides, or")]
)
def test_other_numbers_of_heads_are_refused_with_a_way_out(width: int, way: str) -> None:
    """Bug: heads are paired at random, or advice that ends in the next error."""
    widths = Widths(CLASSES, 2, width, 4, 16, student_heads=2, teacher_heads=4)
    with pytest.raises(KdcError, match=f"student has 2 heads a layer and the teacher 4: {way}"):
        Attention().fit(widths)
