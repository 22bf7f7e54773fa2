"""Texts that tokenizers disagree about, drawn by seed, kind by kind."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from random import Random

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OTHERS = {"Cn", "Co", "Cs"}  # unassigned, private use, surrogates
_ASSIGNED = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in _OTHERS]
_MARKS = [chr(c) for c in _ASSIGNED if unicodedata.category(chr(c)).startswith("M")]
_CLASSED = [char for char in _MARKS if unicodedata.combining(char)]
_COMPOSED = [
    chr(c) for c in _ASSIGNED if unicodedata.normalize("NFD", chr(c)) != chr(c) and c < 0xAC00
]
_CASED = [chr(c) for c in _ASSIGNED if chr(c).lower() != chr(c) or chr(c).upper() != chr(c)]
_INVISIBLE = [chr(c) for c in _ASSIGNED if unicodedata.category(chr(c)) in {"Cc", "Cf", "Zs"}]
_INVISIBLE += ["\u2028", "\u2029", "\x00", "\ufffd", "\ue000", "\U0010ffff"]
_POINTS = [chr(c) for c in _ASSIGNED if unicodedata.category(chr(c))[0] in "PS"]
_TURNS = [
    "I",
    "İ",
    "\u0131",
    "i",
    "ß",
    "ẞ",
    "Σ",
    "\u03c3",
    "ς",
    "Ǆ",
    "ǅ",
    "ǆ",
    "ﬁ",
    "ﬃ",
    "\u017ft",
    "K",
    "Å",
    "Ω",
]
_SPECIAL = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]", "[mask]", "[Cls]", "[ MASK ]", "[MASK"]
_SPECIAL += [
    "MASK]",
    "##ing",
    "##",
    "[unused1]",
    "<s>",
    "</s>",
    "[\u200bMASK]",
    "[MÁSK]",
    "[[",
    "]]",
]
_EMOJI = "😀👩👨👧🏽🏿🧑🚀❤🔥🇩🇪🇯🇵🏴☠👁🗨1234#*🫠🩷"
_JOINS = ["\u200d", "\ufe0f", "\ufe0e", "\u20e3", "🏽", ""]
_RIGHT = "אבגדהוזחטיכלמנסעפצקרשתابتثجحخدذرزسشصضطظعغفقكلمنهويپچژگܐܒߊߋހށ"
_RIGHT += "ׁׂًٌٍَُِّْ۝؟،\u200e\u200f\u202e\u2066\u2069"
_EDGES = (0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xF900, 0xFAFF, 0x20000, 0x2A6DF, 0x2A700, 0x2CEAF)
_RANGES = ((0xAC00, 0xD7A3), (0x1100, 0x11FF), (0xA960, 0xA97C), (0xD7B0, 0xD7FB), (0x3130, 0x318F))
_LENGTHS = (95, 99, 100, 101, 105, 200, 1000, 10_000)
_HALVES = ["\ud800", "\udbff", "\udc00", "\udfff", "\ud83d", "\ude00", "\ud83d\ude00"]

Case = Callable[[Random], str]


def _many(rng: Random, most: int, draw: Callable[[], str]) -> str:
    return "".join(draw() for _ in range(rng.randint(1, most)))


def _block(rng: Random) -> str:
    """Neighbours in Unicode: blocks, assigned or not, start at multiples of 16."""
    start = 16 * rng.randrange(0x110000 // 16)
    if rng.random() < 0.9:
        start = rng.choice(_ASSIGNED) & ~15
    valid = [c for c in range(start, start + 16) if not 0xD800 <= c < 0xE000] or [0xE000]
    return _many(rng, 12, lambda: chr(rng.choice(valid)) + rng.choice(["", "", "a", " "]))


def _marks(rng: Random) -> str:
    """Marks in any order, on letters, alone, and after what decomposes into letter and mark."""
    base = [*_LETTERS, "", " ", "-", "가", "中"]

    def one() -> str:
        start = rng.choice(_COMPOSED) if rng.random() < 0.4 else rng.choice(base)
        return start + "".join(rng.choice(_CLASSED) for _ in range(rng.randint(0, 5)))

    return _many(rng, 8, one) + rng.choice(["", rng.choice(_MARKS)])


def _hangul(rng: Random) -> str:
    def one() -> str:
        first, last = rng.choice(_RANGES)
        return chr(rng.randint(first, last)) + rng.choice(["", "", " ", rng.choice(_MARKS)])

    return _many(rng, 10, one)


def _chinese(rng: Random) -> str:
    kana = [chr(c) for c in range(0x3040, 0x3100)]

    def one() -> str:
        edge = rng.choice(_EDGES) + rng.randint(-2, 2)
        return chr(rng.choice([edge, rng.randint(0x4E00, 0x9FFF), ord(rng.choice(kana))]))

    return _many(rng, 12, lambda: one() + rng.choice(["", "", "a", "。", "\u3099", "\ufe00"]))


def _emoji(rng: Random) -> str:
    return _many(rng, 10, lambda: rng.choice(_EMOJI) + rng.choice(_JOINS))


def _right_to_left(rng: Random) -> str:
    return _many(rng, 30, lambda: rng.choice(_RIGHT) + rng.choice(["", "", "", " ", "a", "1"]))


def _controls(rng: Random) -> str:
    return _many(rng, 20, lambda: rng.choice(_INVISIBLE) + rng.choice(["", "a", "b", "\r\n", "1"]))


def _halves(rng: Random) -> str:
    """Halves of surrogate pairs, alone and side by side."""
    return _many(rng, 8, lambda: rng.choice(_HALVES) + rng.choice(["", "a", " ", "é", "\u0301"]))


def _casing(rng: Random) -> str:
    tail = ["", "", "\u0307", "\u0345", " ", ".", "A"]
    pick = (_TURNS, _CASED, _CASED)
    return _many(rng, 14, lambda: rng.choice(rng.choice(pick)) + rng.choice(tail))


def _long(rng: Random) -> str:
    """Words at the length up to which words are cut, and far beyond it."""
    filling: str = rng.choice(
        [*_LETTERS, "é", "가", "中", ".", "\u0301", "Σ", "ab", "\U0001d4b3", "\u200d"]
    )
    word: str = (filling * rng.choice(_LENGTHS))[: rng.choice(_LENGTHS)]
    return rng.choice(["", "the ", "a"]) + word + rng.choice(["", " end", "z"])


def _special(rng: Random) -> str:
    between = ["", " ", "  ", "a", "\u0301", "\t", ".", "中", "x "]
    return _many(rng, 6, lambda: rng.choice(_SPECIAL) + rng.choice(between))


def _points(rng: Random) -> str:
    return _many(rng, 14, lambda: rng.choice(_POINTS) + rng.choice(["", "", "a", "B", " ", "7"]))


CASES: dict[str, Case] = {
    "block": _block,
    "marks": _marks,
    "hangul": _hangul,
    "chinese": _chinese,
    "emoji": _emoji,
    "right-to-left": _right_to_left,
    "controls": _controls,
    "halves": _halves,
    "casing": _casing,
    "long": _long,
    "special": _special,
    "points": _points,
}
"""The kinds of text there are; `words` and `mixture` draw on a vocabulary and on these."""


def hostile_texts(count: int, seed: int, vocabulary: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield kinds and texts, in turns; the first texts hold every assigned code point once.

    Args:
        count: how many.
        seed: the same texts for the same seed and the same Unicode of Python's.
        vocabulary: the tokenizer's tokens, for words that it knows and nearly knows.
    """
    rng = Random(seed)
    kinds = {**CASES, "words": _words(vocabulary), "mixture": _mixture}
    swept = _sweep(rng)
    for index in range(count):
        text = next(swept, None) if index % 2 == 0 else None
        if text is not None:
            yield "sweep", text
        else:
            name = list(kinds)[index // 2 % len(kinds)] if index % 2 else rng.choice(list(kinds))
            yield name, kinds[name](rng)


def _sweep(rng: Random) -> Iterator[str]:
    """Yield texts of 8 code points each, which together are all that are assigned."""
    codes = _ASSIGNED.copy()
    rng.shuffle(codes)
    for start in range(0, len(codes), 8):
        yield "".join(
            chr(code) + rng.choice(["", "", "a", "E", " "]) for code in codes[start : start + 8]
        )


def _words(vocabulary: Sequence[str]) -> Case:
    def draw(rng: Random) -> str:
        def one() -> str:
            word = rng.choice(vocabulary)
            changed = rng.choice([word, word.upper(), word.title(), word.removeprefix("##")])
            return changed + rng.choice(["", " ", " ", "'", "é", rng.choice(_MARKS)])

        return _many(rng, 16, one)

    return draw


def _mixture(rng: Random) -> str:
    return _many(rng, 5, lambda: rng.choice(list(CASES.values()))(rng)[:40])
