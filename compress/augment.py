"""New texts from old ones: words replaced by others that could stand in their place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kdc.compress.data.dataset import Split
from kdc.compress.data.same_rows import row_key
from kdc.compress.errors import KdcError, unknown
from kdc.compress.words import mistyped, replaceable, split_words

EMBEDDINGS, MASKED_LM, CHARACTERS = "embeddings", "masked-lm", "characters"
METHODS = {
    EMBEDDINGS: "the nearest words by the teacher's input embeddings",
    MASKED_LM: "the likeliest words in their place by a masked-LM",
    CHARACTERS: "the words themselves, mistyped",
}
ALL, AGREEING = "all", "agreeing"
KEEP = {
    ALL: "every new text: the teacher's soft labels say what it means now",
    AGREEING: "only texts that the teacher gives the class of the text they came from",
}
_LARGEST = 1000
_CHUNK = 256  # rows whose candidates are found at once

Candidates = tuple[str, ...]
"""What may take the place of a word; empty where it stays."""
Source = Callable[[Sequence[Sequence[str]]], list[list[Candidates]]]
"""Takes texts as `split_words` cuts them; returns candidates for every word of every text."""


@dataclass(frozen=True)
class Augmentation:
    """How many new texts are made and how; TinyBERT's values (Jiao et al. 2020, arXiv 1909.10351).

    The new texts carry no label: the teacher's answers are all they are trained on.
    """

    copies: int = 0
    """New texts tried for each row (20 in the paper); 0 makes none."""
    method: str = EMBEDDINGS
    """Where the words come from: one of `METHODS`. Words of several pieces are mistyped."""
    replace: float = 0.4
    """Probability that a word is replaced."""
    candidates: int = 15
    """Words that may take the place of one."""
    keep: str = ALL
    """Which of the new texts stay: one of `KEEP`. The paper keeps all."""
    model: str = ""
    """The masked-LM to ask, a folder or a Hub id; empty for the teacher as it was named."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            KdcError: one is unknown or out of its range.
        """
        for name, least in (("copies", 0), ("candidates", 1)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= _LARGEST:
                raise KdcError(
                    f"[augment] {name} must be a whole number from {least} to {_LARGEST:,}, "
                    f"not {value}"
                )
        if not isinstance(self.replace, int | float) or not 0 < self.replace <= 1:  # nor NaN
            raise KdcError(
                f"[augment] replace must be a probability above 0 and up to 1, not {self.replace}"
            )
        for name, value, known in (("method", self.method, METHODS), ("keep", self.keep, KEEP)):
            if value not in known:
                raise unknown(f"[augment] {name}", str(value), known)
        if self.model and self.method != MASKED_LM:
            raise KdcError(f'[augment] model is for method = "{MASKED_LM}": leave it out')


@dataclass(frozen=True)
class NewRow:
    """A text that did not stand in the table."""

    text: str
    pair: str | None
    parent: int
    """The row it came from."""


def word_source(lookup: Callable[[str], Candidates], count: int) -> Source:
    """Make a source of candidates that do not depend on what stands around a word.

    Args:
        lookup: a word's candidates; for words it has none for, `count` mistyped ones are taken.
        count: of mistyped ones.
    """

    def source(texts: Sequence[Sequence[str]]) -> list[list[Candidates]]:
        return [[of(word) for word in parts[1::2]] for parts in texts]

    def of(word: str) -> Candidates:
        return (lookup(word) or mistyped(word, count)) if replaceable(word) else ()

    return source


def new_rows(
    rows: Split, augmentation: Augmentation, source: Source, seen: set[bytes], seed: int
) -> Iterator[NewRow]:
    """Replace words at random, `copies` times a row (Jiao et al. 2020, Algorithm 1).

    Each word is replaced with probability `replace`, by one of its candidates, each as likely as
    any other. A pair keeps one of its texts, chosen for each copy by the toss of a coin. What was
    seen before is left out, and so are texts in which nothing was replaced. Rows come in the order
    of those they are made from; the same arguments give the same rows.

    Args:
        rows: what new rows are made from.
        augmentation: how.
        source: of candidates.
        seen: keys of rows (`row_key`) that must not come again; those of new rows are added.
        seed: of the rng.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, len(rows), _CHUNK):
        end = min(start + _CHUNK, len(rows))
        sides = [rows.texts[start:end], *([rows.pairs[start:end]] if rows.pairs else [])]
        parts = [[split_words(text) for text in side] for side in sides]
        found = [source(side) for side in parts]
        for offset in range(end - start):
            texts = [side[offset] for side in sides]
            words = _Row([side[offset] for side in parts], [side[offset] for side in found])
            for side, text in words.copies(augmentation, rng):
                texts_now = [*texts[:side], text, *texts[side + 1 :]]
                pair = texts_now[1] if len(texts_now) > 1 else None
                key = row_key(texts_now[0], pair)
                if key not in seen:
                    seen.add(key)
                    yield NewRow(texts_now[0], pair, start + offset)


class _Row:
    """The words of a row's texts that have candidates."""

    def __init__(self, parts: list[list[str]], found: list[list[Candidates]]) -> None:
        self._parts = parts
        self._places = [
            (side, 2 * word + 1, options)
            for side, words in enumerate(found)
            for word, options in enumerate(words)
            if options
        ]

    def copies(
        self, augmentation: Augmentation, rng: np.random.Generator
    ) -> Iterator[tuple[int, str]]:
        """Yield which of the texts was changed and what it is now, for every copy that differs."""
        count, places = augmentation.copies, self._places
        if not places:
            return
        sizes = np.array([len(options) for _, _, options in places])
        sides = np.array([side for side, _, _ in places])
        hits = rng.random((count, len(places))) < augmentation.replace
        picks = (rng.random(hits.shape) * sizes).astype(np.int64)
        coins = rng.integers(0, len(self._parts), count)
        hits &= sides == coins[:, None]
        for copy in np.flatnonzero(hits.any(axis=1)).tolist():
            side = int(coins[copy])
            parts, chosen = list(self._parts[side]), picks[copy].tolist()
            for at in np.flatnonzero(hits[copy]).tolist():
                _, place, options = places[at]
                parts[place] = options[chosen[at]]
            yield side, "".join(parts)
