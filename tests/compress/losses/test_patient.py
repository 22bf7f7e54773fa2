from typing import Any

import numpy as np
import pytest

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Widths
from kdc.compress.losses.patient import Patient
from tests.said import CLASSES, GOLD, changed, fitted, numbers, said


def normalised(vectors: Any) -> Any:  # noqa: ANN401
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("layers", "teachers"),
    [("skip", [2, 4]), ("last", [4, 5]), ((5, 0), [6, 1])],
    ids=str,
)
@pytest.mark.parametrize("width", [8, 16])
def test_the_value_is_the_distance_of_normalised_first_states(
    layers: Any,  # noqa: ANN401
    teachers: list[int],
    width: int,
) -> None:
    """Bug: the student's last layer counts too, or another token than [CLS]."""
    student, teacher = said(0, layers=3), said(1, layers=6, width=width)
    loss = fitted(Patient(layers), student, teacher)
    weights = list(loss.parameters())
    assert [tuple(weight.shape) for weight in weights] == ([] if width == 8 else [(16, 8)])
    project = numbers(weights[0]).T if weights else np.eye(8)
    found = []
    for ours, theirs in zip((1, 2), teachers, strict=True):
        s = normalised(numbers(student.hidden[ours])[:, 0] @ project)
        t = normalised(numbers(teacher.hidden[theirs])[:, 0])
        found.append(((s - t) ** 2).sum(axis=1).mean())
    expected = float(np.mean(found))
    assert loss(student, teacher, GOLD).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("layers", "student", "expected"),
    [
        ("skip", 6, [2, 4, 6, 8, 10]),
        ("last", 6, [7, 8, 9, 10, 11]),
        ("skip", 3, [4, 8]),
        ("last", 3, [10, 11]),
    ],
)
def test_the_maps_are_the_papers(layers: str, student: int, expected: list[int]) -> None:
    """Bug: the patient layers of a 12-layer teacher are one off from the paper's I_pt."""
    loss = Patient(layers)
    loss.fit(Widths(CLASSES, student, 8, 12, 8))
    assert [layer + 1 for layer in loss._map] == expected


def test_lengths_of_states_do_not_count() -> None:
    """Bug: states are compared as they are, whose norms grow from layer to layer."""
    teacher = said(1)
    loss = fitted(Patient(), teacher, teacher)
    scaled = changed(teacher, lambda tensor: 5 * tensor)
    assert loss(scaled, teacher, GOLD).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("skipp", "unknown map of patient layers 'skipp': did you mean skip"),
        ((0, 1), "must name 1 layer, one for each of the student's but its last"),
        ((4,), "layer 4: the teacher has 0 to 3"),
    ],
    ids=str,
)
def test_a_map_that_does_not_fit_is_refused(layers: Any, words: str) -> None:  # noqa: ANN401
    """Bug: an index out of range in the first step."""
    with pytest.raises(KdcError, match=words):
        fitted(Patient(layers), said(0), said(1, layers=4))


def test_a_student_of_one_layer_is_refused() -> None:
    """Bug: a mean over no layers is NaN."""
    with pytest.raises(KdcError, match="a student of one layer has none below its last"):
        fitted(Patient(), said(0, layers=1), said(1))
