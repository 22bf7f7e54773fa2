"""Cutting text into sentences: by marks and what stands around them, in Latin script and in CJK."""

import re
from collections.abc import Iterator

_CLOSING = "[\"'\u201d\u2019)\\]\u00bb]"  # may stand behind the mark: quotes, brackets
_OPENING = "[\"'\u201c\u2018(\\[\u00ab\u00bf\u00a1]"
_SMALL = "a-z\u00df-\u00f6\u00f8-\u00ff"  # what begins no sentence
_MARK = "[\u3002\uff01\uff1f\uff61]"
_WIDE = rf"{_MARK}(?<!{_MARK}{{2}}){_MARK}*+[\u300d\u300f\uff09\u201d\u2019]*+"  # CJK has no spaces
# a set of characters at its very start is what the regular expression engine searches fast; a row
# of marks is tried from its first one alone, or a long one would take time quadratic in its length
_LATIN = (
    rf"[.!?\u2026](?<![.!?\u2026]{{2}})[.!?\u2026]*+{_CLOSING}*+(\s+)(?={_OPENING}*[^\W_{_SMALL}])"
)
_BORDER = re.compile(_LATIN)
_ANY_BORDER = re.compile(rf"{_LATIN}|{_WIDE}(\s*)(?=\S)")
_HAS_WIDE = re.compile(_MARK)
_SHORT = frozenset(
    "mr mrs ms dr prof st sr jr vs inc ltd co corp vol pp p ca cf fig gen col lt sgt capt maj cpl "  # noqa: SIM905
    "adm cmdr rev hon gov sen rep pres mt ft approx dept est jan feb mar apr jun jul aug sep sept "
    "oct nov dec op eds al univ assn bros messrs mme mlle viz nr ch".split()
)
_BEFORE = "\"'([\u201c\u2018"
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a paragraph, without the space between them."""
    start = 0
    wide = not text.isascii() and _HAS_WIDE.search(text)
    for border in (_ANY_BORDER if wide else _BORDER).finditer(text):
        mark = border.start()
        if text[mark] == "." and _abbreviated(text, start, mark):
            continue
        yield text[start : border.start(border.lastindex or 0)]
        start = border.end()
    if start < len(text):
        yield text[start:]


def _abbreviated(text: str, start: int, mark: int) -> bool:
    """Whether the word before a full stop is one that is written with it."""
    word = text[max(text.rfind(" ", start, mark) + 1, start) : mark].lstrip(_BEFORE)
    return word.lower() in _SHORT or _INITIALS.fullmatch(word) is not None
