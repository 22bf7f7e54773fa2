import pytest

from kdc.compress.errors import KdcError
from kdc.compress.layer_maps import NAMED, layer_map, one_layer


def test_every_other_is_distilberts_map() -> None:
    """Bug: the last teacher layer, which the head was trained on, is left out."""
    assert layer_map("every-other", 6, 12) == [0, 2, 4, 7, 9, 11]


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (4, 12, [2, 5, 8, 11]),
        (6, 12, [1, 3, 5, 7, 9, 11]),
        (3, 12, [3, 7, 11]),
        (5, 12, [2, 4, 7, 9, 11]),
    ],
)
def test_uniform_is_tinyberts_map(student: int, teacher: int, expected: list[int]) -> None:
    """Bug: m(i) = i * L / l counts from 1, and layer 0 are the embeddings."""
    assert layer_map("uniform", student, teacher) == expected


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("every-other", [0, 2, 5]),
        ("uniform", [1, 3, 5]),
        ("first", [0, 1, 2]),
        ("last", [3, 4, 5]),
        ((5, 0, 5), [5, 0, 5]),
    ],
)
def test_six_to_three(how: str | tuple[int, ...], expected: list[int]) -> None:
    """Bug: `last` starts one layer too early, or a list is sorted."""
    assert layer_map(how, 3, 6) == expected


@pytest.mark.parametrize("how", NAMED)
@pytest.mark.parametrize(("student", "teacher"), [(1, 1), (1, 12), (3, 3), (12, 3), (7, 24)])
def test_every_map_names_one_existing_layer_a_student_layer_in_order(
    how: str, student: int, teacher: int
) -> None:
    """Bug: a single layer, an equal depth or a deeper student runs off the end."""
    found = layer_map(how, student, teacher)
    assert len(found) == student
    assert all(0 <= layer < teacher for layer in found)
    assert found == sorted(found)
    if student == teacher:
        assert found == list(range(teacher))
    if student > teacher:
        assert set(found) == set(range(teacher))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("every_other", "did you mean every-other"),
        ((0, 1), "must name 3 layers"),
        ((0, 1, 6), "layer 6: the teacher has 0 to 5"),
        ((-1, 1, 2), "layer -1"),
        (("a", "b", "c"), "list of whole numbers"),
        ((0.5, 1, 2), "list of whole numbers"),
        (3, "list of whole numbers"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_in_a_sentence(how: object, words: str) -> None:
    """Bug: `layers = 3` or `["a"]` in a recipe ends in a TypeError after the teacher has run."""
    with pytest.raises(KdcError, match=words):
        layer_map(how, 3, 6)  # type: ignore[arg-type]


@pytest.mark.parametrize(("how", "expected"), [("last", 5), (0, 0), (5, 5)])
def test_one_layer_is_named_or_counted_from_0(how: str | int, expected: int) -> None:
    """Bug: one off: hidden states count the embeddings, layers do not."""
    assert one_layer(how, 6, "teacher") == expected


@pytest.mark.parametrize("how", [6, -1, "first", 1.0, True, None])
def test_a_layer_that_there_is_not_is_refused(how: object) -> None:
    """Bug: -1 is the last layer to Python, and True the second."""
    with pytest.raises(KdcError, match="teacher_layer must be last or a number from 0 to 5, not"):
        one_layer(how, 6, "teacher")  # type: ignore[arg-type]
