"""Unicode as BERT's tokenizer sees it: tables for cores in other languages, found by asking it.

Every language brings Unicode of another version, and the Rust tokenizer itself mixes several.
So every code point is put to the Rust tokenizer, and what it does stands in one text file
(`sample_apps/unicode.txt`), from which the cores in JavaScript, Java and Swift tokenise alike.

The file, ASCII, one table per line, `name entry entry ...`, numbers in hex without a prefix:

* `kdc.unicode/1`, the first line.
* Sets of code points, entries `a` or `a-b` (inclusive): `removed` (what `clean_text` drops),
  `space` (white space: `clean_text` makes it U+0020, words end at it), `punctuation` (a word of
  its own), `chinese` (gets spaces around it), `mark` (what `strip_accents` drops after NFD).
* `class`, entries `a:n` or `a-b:n`: the canonical combining class' rank n > 0; others have 0.
* `decompose` and `lower`, entries `a>b` or `a>b,c,...`: full canonical decomposition (without
  Hangul syllables, which follow the Unicode Standard's arithmetic) and lower case, of single
  code points, without regard to their neighbours.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import pairwise
from pathlib import Path

from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from kdc.compress.files import write_text

FORMAT = "kdc.unicode/1"
_Codes = list[int]
_Mapping = dict[int, str]
_Probe = Callable[[str], str]
_END = 0x110000
_SURROGATES = range(0xD800, 0xE000)
_HANGUL = range(0xAC00, 0xD7A4)
_PIECE = 1 << 12  # code points in a call


@dataclass(frozen=True)
class UnicodeTables:
    """What the Rust tokenizer does to each code point."""

    sets: dict[str, _Codes]
    """`removed`, `space`, `punctuation`, `chinese` and `mark`, each sorted."""
    classes: dict[int, int]
    """Code point -> rank of its canonical combining class, where that is not 0."""
    mappings: dict[str, _Mapping]
    """`decompose` and `lower`: code point -> what becomes of it, where that is something else."""

    def as_text(self) -> str:
        """Return the tables as the file holds them."""
        lines = [f"{name} {' '.join(_runs(codes))}" for name, codes in self.sets.items()]
        ranks = [
            f"{run}:{rank:x}"
            for rank in sorted(set(self.classes.values()))
            for run in _runs([code for code, own in self.classes.items() if own == rank])
        ]
        lines.append(f"class {' '.join(ranks)}")
        for name, mapping in self.mappings.items():
            lines.append(f"{name} {' '.join(_entry(code, to) for code, to in mapping.items())}")
        return "\n".join([FORMAT, *lines]) + "\n"


def probe_unicode() -> UnicodeTables:
    """Ask the installed Rust tokenizer about every code point; takes seconds."""
    clean = _mapping(_normalizer(clean_text=True))
    spaced = _mapping(_normalizer(handle_chinese_chars=True))
    stripped = _mapping(_normalizer(strip_accents=True))
    decomposed = _mapping(NFD().normalize_str)
    space, punctuation = _splits()
    sets = {
        "removed": [code for code, to in clean.items() if not to],
        "space": space,
        "punctuation": punctuation,
        "chinese": [code for code, to in spaced.items() if to == f" {chr(code)} "],
        "mark": [code for code, to in stripped.items() if not to and code not in decomposed],
    }
    plain = {code: to for code, to in decomposed.items() if code not in _HANGUL}
    lower = _mapping(_normalizer(lowercase=True))
    return UnicodeTables(sets, _classes(plain), {"decompose": plain, "lower": lower})


def _normalizer(**wanted: bool) -> _Probe:
    nothing = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False}
    return BertNormalizer(**{**nothing, "lowercase": False, **wanted}).normalize_str


def _pieces() -> Iterator[_Codes]:
    """Yield every code point but the surrogates, which no UTF-8 text holds, piece by piece."""
    codes = [code for code in range(_END) if code not in _SURROGATES]
    for start in range(0, len(codes), _PIECE):
        yield codes[start : start + _PIECE]


def _mapping(probe: _Probe) -> _Mapping:
    """Return what becomes of each code point that does not stay what it is.

    Each stands between two bars, which nothing changes and which no mark moves over.
    """
    found: _Mapping = {}
    for codes in _pieces():
        asked = [code for code in codes if code != ord("|")]
        answers = probe("|" + "|".join(map(chr, asked)) + "|")[1:-1].split("|")
        pairs = zip(asked, answers, strict=True)
        found |= {code: answer for code, answer in pairs if answer != chr(code)}
    return found


def _splits() -> tuple[_Codes, _Codes]:
    """Return the code points at which words end: those that are dropped, those that are words."""
    splitter = BertPreTokenizer()
    space, punctuation = [], []
    for codes in _pieces():
        words = splitter.pre_tokenize_str("".join(f"x{chr(code)}x" for code in codes))
        cuts = {start for _, (start, _) in words}
        ends = {end for _, (_, end) in words}
        for place, code in enumerate(codes):
            middle = 3 * place + 1
            if middle in cuts and middle + 1 in ends:
                punctuation.append(code)
            elif middle in ends:
                space.append(code)
    return space, punctuation


def _classes(decomposed: _Mapping) -> dict[int, int]:
    """Return the ranks of the combining classes: NFD sorts marks by class, stably."""
    ordered = NFD().normalize_str

    def moves(first: int, second: int) -> bool:
        return ordered(f"x{chr(first)}{chr(second)}") != f"x{chr(first)}{chr(second)}"

    def compare(first: int, second: int) -> int:
        return moves(first, second) - moves(second, first)

    # U+0345 has the highest class, 240; U+0301 has 230 and stays behind it
    marks = set(_moved("\u0345{}")) | set(_moved("{}\u0301"))
    codes = sorted(marks - set(decomposed))
    codes.sort(key=cmp_to_key(compare))
    ranks, rank = {}, 1
    for before, code in pairwise([codes[0], *codes]):
        rank += moves(code, before)
        ranks[code] = rank
    return dict(sorted(ranks.items()))


def _moved(beside: str) -> Iterator[int]:
    """Yield the code points that NFD puts at another place beside a mark."""
    for codes in _pieces():
        asked = [code for code in codes if code != ord("|")]
        texts = [beside.format(chr(code)) for code in asked]
        answers = NFD().normalize_str("|" + "|".join(texts) + "|")[1:-1].split("|")
        rows = zip(asked, texts, answers, strict=True)
        yield from (
            code for code, text, answer in rows if text != answer and sorted(text) == sorted(answer)
        )


def _runs(codes: Iterable[int]) -> Iterator[str]:
    """Yield sorted code points as hex numbers and inclusive ranges."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    for first, last in runs:
        yield f"{first:x}" if first == last else f"{first:x}-{last:x}"


def _entry(code: int, to: str) -> str:
    return f"{code:x}>{','.join(f'{ord(char):x}' for char in to)}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the file to write")
    write_text(Path(sys.argv[1]), probe_unicode().as_text())
