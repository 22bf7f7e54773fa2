import pytest

from kdc.compress.progress import plural, some


@pytest.mark.parametrize(
    ("count", "what", "told"),
    [
        (0, "row", "0 rows"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (3000, "process", "3,000 processes"),
    ],
)
def test_counts_are_told_as_people_say_them(count: int, what: str, told: str) -> None:
    """Bug: "1 classes"."""
    assert plural(count, what) == told


def test_of_many_names_the_first_stand() -> None:
    assert some(list("abcd")) == "a, b, c, d"
    assert some(list("abcde")) == "a, b, c, d, ..."
