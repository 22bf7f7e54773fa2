import pytest

from kdc.compress.data.same_rows import row_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Wake me", " wake  ME\n"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff57ake", "wake"),
        ("STRASSE", "straße"),
    ],
)
def test_the_same_text_in_another_dress(one: str, other: str) -> None:
    """Bug: a text of dev with another blank or another form of a letter is trained on."""
    assert row_key(one) == row_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a",), ("b",)),
        (("a b",), ("a", "b")),
        (("a", "b"), ("b", "a")),
        (("a", "b c"), ("a b", "c")),
        (("a\0b",), ("a", "b")),
        (("a", ""), ("a",)),
        (("don't",), ("dont",)),
    ],
)
def test_other_texts_and_pairs_have_other_keys(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    """Bug: two texts run into each other, so that rows vanish."""
    assert row_key(*one) != row_key(*other)


def test_half_a_character_has_a_key() -> None:
    assert row_key("\ud800") != row_key("")
