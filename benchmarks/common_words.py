"""The common English words that `--vocab` keeps tokens for, counted in Wikipedia.

    python benchmarks/common_words.py ../shared/data/corpus

Counts lower-cased words in every `*.train.txt.xz` of a folder (a blank line between articles) and
writes `compress/common_words.txt`: the words alone, in order of their mean relative frequency over
the corpora, so that a large corpus counts no more than a small one.
"""

import argparse
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from kdc.compress.files import write_text

OUT = Path(__file__).parents[1] / "compress" / "common_words.txt"
WORDS = 10_000
LEAST_ARTICLES = 50  # of each corpus: a name that fills one article is no common word
LONGEST = 20
LETTERS = re.compile(r"[^\W\d_]+")  # BERT splits at everything else, the apostrophe included
HEADER = """\
# {words:,} common English words, the most frequent first: mean relative frequency over
# {corpora}.
# Written by benchmarks/common_words.py. The corpora are text of Wikipedia (CC BY-SA 3.0); this is
# a measurement of them, a ranking of single words, and holds none of their text.
"""


@dataclass(frozen=True)
class Corpus:
    """What was counted in one corpus."""

    name: str
    articles: int
    words: Counter[str]
    """How often each word occurs."""
    spread: Counter[str]
    """In how many articles each word occurs."""


def main() -> None:
    """Count every corpus of the folder and write the list."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="holds *.train.txt.xz")
    paths = sorted(parser.parse_args().folder.glob("*.train.txt.xz"))
    if not paths:
        parser.error("the folder holds no *.train.txt.xz")
    corpora = [count(path) for path in paths]
    for corpus in corpora:
        print(f"{corpus.name}: {corpus.articles:,} articles, {corpus.words.total():,} words")
    chosen = common(corpora)
    names = " and ".join(f"{corpus.name} ({corpus.articles:,} articles)" for corpus in corpora)
    header = HEADER.format(words=len(chosen), corpora=names)
    write_text(OUT, header + "".join(f"{word}\n" for word in chosen))


def count(path: Path) -> Corpus:
    """Count the words of one corpus."""
    words: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    total = 0
    for article in articles(path):
        found = LETTERS.findall(article.lower())
        words.update(found)
        spread.update(set(found))
        total += 1
    return Corpus(path.name.removesuffix(".train.txt.xz"), total, words, spread)


def articles(path: Path) -> Iterator[str]:
    """Yield the articles of a corpus, read in pieces."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for blank, lines in groupby(file, key=lambda line: not line.strip()):
            if not blank:
                yield "".join(lines)


def common(corpora: list[Corpus]) -> list[str]:
    """Return the words that are common and plausible, the most frequent first, ties by name."""
    totals = [corpus.words.total() for corpus in corpora]
    likely = [word for word in corpora[0].words if is_common(word, corpora)]
    shares = {
        word: sum(corpus.words[word] / total for corpus, total in zip(corpora, totals, strict=True))
        for word in likely
    }
    return sorted(likely, key=lambda word: (-shares[word], word))[:WORDS]


def is_common(word: str, corpora: list[Corpus]) -> bool:
    """Whether a word stands in enough articles and looks like English; single letters do not.

    Words without a vowel are abbreviations and units, runs of one letter are numerals.
    """
    return (
        1 < len(word) <= LONGEST
        and word.isascii()
        and re.search("[aeiouy]", word) is not None
        and re.search(r"(.)\1\1", word) is None
        and all(corpus.spread[word] >= LEAST_ARTICLES for corpus in corpora)
    )


if __name__ == "__main__":
    main()
