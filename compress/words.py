"""Texts as words and what lies between them, and words as fingers mistype them."""

import re
import unicodedata
from functools import lru_cache

# ASCII without letters, digits and ', then the punctuation of Latin-1, of typography and of CJK
_BETWEEN = r"\s!-&(-/:-@\[-`{-~\xa1-\xbf\u2000-\u2018\u201a-\u206f\u3000-\u303f\uff00-\uff0f"
_APOSTROPHES = "'\u2019"
_INNER = f"[^{_BETWEEN}{_APOSTROPHES}]+"
_WORD = re.compile(f"({_INNER}(?:[{_APOSTROPHES}]{_INNER})*)")
_LONGEST = 40  # characters; what is longer is no word of a language that puts blanks between them
_LEAST = 4  # characters of a word that is mistyped

_FUNCTION_WORDS = """
a about above after again against all am an and any are aren't as at be because been before
being below between both but by can can't cannot could couldn't did didn't do does doesn't doing
don't down during each either else ever every few for from further had hadn't has hasn't have
haven't having he her here hers herself him himself his how however i i'm i've i'd i'll if in
into is isn't it it's its itself just least less many may me might mine more most much must my
myself neither never no nobody none nor not nothing now of off on once only or other our ours
ourselves out over own rather same shall shan't she should shouldn't so some such than that
that's the their theirs them themselves then there these they they're this those though through
to too under until up us very was wasn't we we're were weren't what when where whether which
while who whom whose why will with within without won't would wouldn't yet you you're your
yours yourself yourselves hardly barely
"""
"""English words that hold a sentence together or turn it round, such as `not`; they stay."""
_STAY = frozenset(_FUNCTION_WORDS.split())

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    key: row[place - 1 : place] + row[place + 1 : place + 2]
    for row in _KEYS
    for place, key in enumerate(row)
}


def split_words(text: str) -> list[str]:
    """Cut a text into what lies between words, at even places, and words, at odd ones.

    The parts joined are the text. A word holds no blank and no punctuation but inner apostrophes.
    """
    return _WORD.split(text)


@lru_cache(maxsize=1 << 16)
def replaceable(word: str) -> bool:
    """Whether a word may be replaced: it carries meaning, and letters alone.

    Function words, numbers, single ASCII letters and what no language calls a word stay.
    """
    folded = word.casefold().replace(_APOSTROPHES[1], _APOSTROPHES[0])
    return (
        len(word) <= _LONGEST
        and (len(word) > 1 or not word.isascii())
        and folded not in _STAY
        and word[0].isalpha()
        and all(c in _APOSTROPHES or unicodedata.category(c)[0] in "LM" for c in word)
    )


@lru_cache(maxsize=1 << 16)
def mistyped(word: str, count: int) -> tuple[str, ...]:
    """Return up to `count` ways to mistype a word, spread over its characters and the ways.

    Two inner characters swapped, one dropped, one struck twice, or the key beside it struck; the
    first and the last stay, and words of under four characters (Pruthi et al. 2019, arXiv
    1905.11268).
    """
    if len(word) < _LEAST:
        return ()
    ways = []
    for at in range(1, len(word) - 1):
        head, c, rest = word[:at], word[at], word[at + 1 :]
        ways.append(head + rest)
        ways.append(head + c + c + rest)
        if at < len(word) - 2:
            ways.append(head + rest[0] + c + rest[1:])
        beside = _BESIDE.get(c.lower(), "")
        if beside:
            struck = beside[at % len(beside)]
            ways.append(head + (struck.upper() if c.isupper() else struck) + rest)
    found = [way for way in dict.fromkeys(ways) if way != word]
    step = max(1, len(found) / count)
    return tuple(found[int(i * step)] for i in range(min(count, len(found))))


def like(word: str, model: str) -> str:
    """Write a word with the capitals of another: none, the first letter, or all."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
