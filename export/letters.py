"""Which characters of a foreign text may be shown."""

JOINERS = "\u200c\u200d"
"""Between letters, in Persian and in Indic scripts, and inside emoji."""


def is_shown(character: str) -> bool:
    """Whether a character is seen, or joins those that are."""
    return character.isprintable() or character in JOINERS
