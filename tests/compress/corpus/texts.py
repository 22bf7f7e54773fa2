"""Corpora made on the spot: texts of the tiny tokenizer's words, and a Wikipedia dump."""

import bz2
import time
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.vocabulary import Vocabulary
from tests.student import WORDS, tiny_tokenizer

SETTINGS = Settings(max_length=24, duplicates=2, held_out=0.15, shard_characters=1500)
SPECIAL_IDS = (0, 1, 2, 3, 4)  # [PAD] [UNK] [CLS] [SEP] [MASK]
CLS, SEP, MASK = 2, 3, 4


def tiny_vocabulary() -> Vocabulary:
    tokenizer = tiny_tokenizer()
    tokenizer.no_truncation()
    return Vocabulary(tokenizer.to_str(), SPECIAL_IDS, MASK)


def tiny_documents(count: int, seed: int = 0) -> list[str]:
    """Return documents of 1 to 9 sentences of 2 to 9 words; some words are of several tokens."""
    rng = np.random.default_rng(seed)
    words = [*WORDS, "kitchens", "wakes", "loudly"]

    def sentence() -> str:
        said = " ".join(rng.choice(words, int(rng.integers(2, 10))))
        return f"{said.capitalize()}."

    return [" ".join(sentence() for _ in range(int(rng.integers(1, 10)))) for _ in range(count)]


def write_text(path: Path, count: int = 60, seed: int = 0) -> Path:
    """Write documents with blank lines between them."""
    path.write_text("\n\n".join(tiny_documents(count, seed)) + "\n")
    return path


def page(text: str, *, title: str = "A", space: int = 0, redirect: bool = False) -> str:
    more = '<redirect title="B" />' if redirect else ""
    return (
        f"<page><title>{escape(title)}</title><ns>{space}</ns><id>1</id>{more}<revision><id>2</id>"
        f'<text bytes="1" xml:space="preserve">{escape(text)}</text></revision></page>'
    )


def dump(*pages: str) -> bytes:
    """Return a dump as MediaWiki exports it, of a wiki whose files are called Datei."""
    spaces = '<namespace key="0" /><namespace key="6">Datei</namespace>'
    head = f'<mediawiki version="0.11"><siteinfo><namespaces>{spaces}</namespaces></siteinfo>'
    return "\n".join([head, *pages, "</mediawiki>"]).encode()


def write_dump(path: Path, *pages: str) -> Path:
    path.write_bytes(bz2.compress(dump(*pages)))
    return path


def times_slower(work: Callable[[str], object], short: str, long: str) -> float:
    """Return how many times longer a text takes; a hundredth of a second more is noise."""

    def least(text: str) -> float:
        seconds = []
        for _ in range(3):
            start = time.process_time()
            work(text)
            seconds.append(time.process_time() - start)
        return min(seconds)

    return max(0.0, least(long) - 0.01) / max(least(short), 1e-9)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
