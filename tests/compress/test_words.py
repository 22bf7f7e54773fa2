"""Words cut out of texts in any script, and typing errors that a hand could make."""

import pytest

from kdc.compress.words import like, mistyped, replaceable, split_words

HOSTILE = [
    "",
    " ",
    "plain words, and more: (here) - there!",
    "don't stop it\u2019s 'quoted' o'clock'",
    "🎉🎉 party 🎉 👩‍👩‍👧‍👦",
    "مرحبا بالعالم، كيف الحال؟",
    "שלום עולם",
    "नमस्ते दुनिया",
    "你好\uff0c世界。",
    "a\0b\x1b[31m\u202eright-to-left",
    "w" * 10_000,
    "word " * 2_000,
    "\ud800 half",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_parts_joined_are_the_text(text: str) -> None:
    """Bug: blanks or punctuation lost, so that a new text differs where nothing was replaced."""
    parts = split_words(text)
    assert "".join(parts) == text
    assert len(parts) % 2 == 1 and all(parts[1::2])


def test_words_hold_no_punctuation_but_inner_apostrophes() -> None:
    """Bug: `alarm,` is no word of the vocabulary and gets mistyped instead of replaced."""
    found = split_words("(Don't) stop, «it\u2019s» 'six' o'clock - now/then… 你好\uff0c世界。")[
        1::2
    ]
    assert found == ["Don't", "stop", "it\u2019s", "six", "o'clock", "now", "then", "你好", "世界"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("music", True),
        ("Monday", True),
        ("नमस्ते", True),  # its vowel signs are marks, not letters
        ("好", True),
        ("o'clock", True),
        ("not", False),
        ("Don't", False),
        ("Don\u2019t", False),
        ("I", False),
        ("x", False),
        ("42", False),
        ("b2b", False),
        ("🎉", False),
        ("w" * 41, False),
    ],
)
def test_what_may_be_replaced(word: str, expected: bool) -> None:
    """Bug: `not` becomes another word and the sentence its opposite."""
    assert replaceable(word) == expected


def test_typing_errors_are_the_four_kinds_at_inner_characters() -> None:
    """Bug: a swap that loses a character, or an error in the first letter, which people see."""
    word = "alarm"
    found = mistyped(word, 100)
    drops = {word[:i] + word[i + 1 :] for i in (1, 2, 3)}
    twice = {word[:i] + word[i] + word[i:] for i in (1, 2, 3)}
    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in (1, 2)}
    struck = set(found) - drops - twice - swaps
    assert drops | twice | swaps <= set(found) and len(found) == len(set(found))
    for other in struck:
        (at,) = [i for i, (a, b) in enumerate(zip(word, other, strict=True)) if a != b]
        assert other[at] in {"l": "k", "a": "s", "r": "et"}[word[at]]
    assert all(way[0] == "a" and way[-1] == "m" for way in found)


@pytest.mark.parametrize(("word", "count"), [("kitchen", 3), ("kitchen", 15), ("abcd", 15)])
def test_never_more_errors_than_asked_for_and_never_the_word(word: str, count: int) -> None:
    """Bug: a word of 10,000 characters has 40,000 ways to be mistyped."""
    found = mistyped(word, count)
    assert 0 < len(found) <= count and word not in found


def test_short_words_and_other_scripts() -> None:
    """Bug: a keyboard row that does not have the letter is an IndexError."""
    assert mistyped("ten", 15) == ()
    assert mistyped("привет", 15) and mistyped("الحال", 15)
    assert mistyped("aaaa", 15) and "aaaa" not in mistyped("aaaa", 15)


def test_capitals_are_kept() -> None:
    assert [like("tuesday", "Monday"), like("tuesday", "MONDAY"), like("Tuesday", "monday")] == [
        "Tuesday",
        "TUESDAY",
        "Tuesday",
    ]
    assert like("tuesday", "M") == "Tuesday"
