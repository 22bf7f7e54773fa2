import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Widths
from kdc.compress.losses.relations import PAIRS, Relations
from kdc.compress.signals import Signals
from tests.said import CLASSES, GOLD, LENGTHS, changed, fitted, numbers, said

PARTS = {"q": "queries", "k": "keys", "v": "values"}


def relation(said: Signals, pair: str, layer: int, row: int, head: int, heads: int) -> Any:  # noqa: ANN401
    """(n, n) distributions of one text and relation head, over its real tokens alone."""
    n = LENGTHS[row]
    both = []
    for part in pair:
        joined = numbers(getattr(said, PARTS[part])[layer])[row, :n].reshape(n, -1)
        size = joined.shape[1] // heads
        both.append(joined[:, head * size : (head + 1) * size])
    powers = np.exp(both[0] @ both[1].T / math.sqrt(both[0].shape[1]))
    return powers / powers.sum(axis=1, keepdims=True)


def by_hand(
    student: Signals, teacher: Signals, pairs: tuple[str, ...], heads: int, layers: tuple[int, int]
) -> float:
    found = []
    for pair in pairs:
        for row in range(3):
            for head in range(heads):
                q = relation(student, pair, layers[0], row, head, heads)
                p = relation(teacher, pair, layers[1], row, head, heads)
                found.append((p * np.log(p / q)).sum(axis=1).mean())
    return float(np.mean(found))


@pytest.mark.parametrize("pairs", [("qq", "kk", "vv"), ("qk", "vv"), ("kk",)], ids=str)
@pytest.mark.parametrize("heads", [1, 2, 8])
def test_the_value_is_minilms_for_a_student_of_another_width_and_head_count(
    pairs: tuple[str, ...], heads: int
) -> None:
    """Bug: the heads are cut out of each attention head, or scaled by the attention heads' d."""
    student, teacher = said(0), said(1, layers=4, heads=4, width=24)
    loss = fitted(Relations(pairs, heads), student, teacher)
    expected = by_hand(student, teacher, pairs, heads, (1, 3))
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-4)
    assert list(loss.parameters()) == []


def test_with_the_models_own_heads_qk_is_the_attention_itself() -> None:
    """Bug: MiniLM v1's first term is not the attention that the models really compute."""
    teacher, student = said(1, heads=4, width=16), said(0, heads=4, width=8)
    loss = fitted(Relations(("qk",)), student, teacher)
    expected = by_hand(student, teacher, ("qk",), 4, (1, 1))
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("student", "teacher", "heads", "expected"),
    [(384, 768, 12, 12), (256, 768, 12, 8), (312, 768, 12, 12), (128, 384, 12, 8), (96, 384, 6, 6)],
)
def test_the_number_of_heads_that_is_not_given_is_one_that_fits(
    student: int, teacher: int, heads: int, expected: int
) -> None:
    """Bug: a recipe that ships fails on every student whose width 12 does not divide."""
    loss = Relations()
    loss.fit(Widths(CLASSES, 2, student, 4, teacher, teacher_heads=heads))
    parts = torch.zeros(1, 2, heads, student // heads) if student % heads == 0 else None
    assert loss._heads == expected
    assert parts is None or loss._split(parts).shape == (1, expected, 2, student // expected)


@pytest.mark.parametrize(("student_layer", "teacher_layer"), [(0, 2), ("last", 1), (1, "last")])
def test_the_layers_are_those_of_the_options(
    student_layer: int | str, teacher_layer: int | str
) -> None:
    """Bug: a large teacher's upper-middle layer cannot be chosen, or is one off."""
    student, teacher = said(0), said(1, layers=4, heads=4, width=16)
    loss = fitted(
        Relations(heads=2, student_layer=student_layer, teacher_layer=teacher_layer),
        student,
        teacher,
    )
    places = (1 if student_layer == "last" else student_layer, teacher_layer)
    chosen = (int(places[0]), 3 if places[1] == "last" else int(places[1]))
    expected = by_hand(student, teacher, ("qq", "kk", "vv"), 2, chosen)
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-4)


def rotated(signals: Signals, heads: int, seed: int) -> Signals:
    """Turn the vectors of every relation head by an orthogonal matrix of its own."""
    rng = torch.Generator().manual_seed(seed)

    def turn(tensor: Tensor) -> Tensor:
        if tensor.dim() < 4:
            return tensor
        joined = tensor.detach().flatten(2).reshape(3, 7, heads, -1)
        size = joined.shape[-1]
        turns = torch.linalg.qr(torch.randn(heads, size, size, generator=rng)).Q
        return torch.einsum("bthd,hde->bthe", joined, turns).reshape(tensor.shape)

    return changed(signals, turn)


@pytest.mark.parametrize("pair", ["qq", "kk", "vv"])
def test_a_rotation_of_a_heads_vectors_changes_nothing(pair: str) -> None:
    """Bug: vectors themselves are compared, which no student of another width could match."""
    student, teacher = said(0), said(1)
    loss = fitted(Relations((pair,), heads=2), student, teacher)
    value = loss(student, teacher, GOLD).item()
    assert loss(rotated(student, 2, 3), teacher, GOLD).item() == pytest.approx(value, rel=1e-4)
    assert loss(rotated(teacher, 2, 4), teacher, GOLD).item() == pytest.approx(0.0, abs=1e-6)
    assert loss(rotated(student, 1, 3), teacher, GOLD).item() != pytest.approx(value, rel=1e-2)


def test_the_order_of_a_students_heads_matters_only_across_relation_heads() -> None:
    """Bug: with one relation head every dimension must count, whichever head it lay in."""
    teacher = said(1, heads=4, width=16)
    flipped = changed(teacher, lambda x: x.flip(2) if x.dim() == 4 else x)
    one = fitted(Relations(heads=1), teacher, teacher)
    four = fitted(Relations(heads=4), teacher, teacher)
    assert one(flipped, teacher, GOLD).item() == pytest.approx(0.0, abs=1e-6)
    assert four(flipped, teacher, GOLD).item() > 0.01


def test_only_the_chosen_layer_and_parts_learn() -> None:
    """Bug: the mean over all layers, which MiniLM found to be worse."""
    student, teacher = said(0), said(1)
    fitted(Relations(("qq", "vv")), student, teacher)(student, teacher, GOLD).backward()
    every = (student.queries, student.keys, student.values)
    learnt = [[x.grad is not None for x in part] for part in every]
    assert learnt == [[False, True], [False, False], [False, True]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pairs": ("qq", "kq")}, "unknown pair of relations 'kq': did you mean"),
        ({"pairs": (1, 2)}, "unknown pair of relations '1'"),
        ({"pairs": ()}, "relations: name each pair once, of qq, kk, vv, qk"),
        ({"pairs": ("qq", "qq")}, "relations: name each pair once"),
        ({"heads": -1}, "heads must be a whole number from 0 up, not -1"),
        ({"heads": 1.5}, "heads must be a whole number from 0 up, not 1.5"),
        ({"heads": 3}, "3 heads do not divide the widths 8 and 16: choose one of 1, 2, 4, 8"),
        ({"student_layer": 2}, "student_layer must be last or a number from 0 to 1, not 2"),
        ({"teacher_layer": -1}, "teacher_layer must be last or a number from 0 to 3, not -1"),
        ({"teacher_layer": "first"}, "teacher_layer must be last or a number from 0 to 3"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(
    options: dict[str, Any], words: str
) -> None:
    """Bug: an IndexError or a shape error in the first step, after the teacher was trained."""
    with pytest.raises(KdcError, match=words):
        fitted(Relations(**options), said(0), said(1, layers=4, width=16))


def test_one_pair_may_be_named_without_a_list() -> None:
    """Bug: `pairs = "vv"` in a recipe is read as the pairs `v` and `v`."""
    student, teacher = said(0), said(1)
    alone = fitted(Relations("vv"), student, teacher)(student, teacher, GOLD)
    assert alone.item() == pytest.approx(by_hand(student, teacher, ("vv",), 2, (1, 1)), rel=1e-4)
    assert len(PAIRS) == 4
