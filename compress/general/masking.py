"""Masking while training: another choice of words every time a sequence is seen.

Devlin et al. 2019 (BERT, arXiv 1810.04805): 15 % of the tokens are chosen; of these, 80 % become
the mask token, 10 % another token and 10 % stay. Liu et al. 2019 (RoBERTa, arXiv 1907.11692) draw
them anew in every epoch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.corpus.folder import Corpus

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64]
_SHARE = 0.15
_MASKED, _ANOTHER = 0.8, 0.1


@dataclass(frozen=True)
class Masks:
    """The masked places of some sequences, one sequence after the other."""

    counts: Index
    """(B,) how many a sequence has."""
    places: Index
    """(M,) places inside their sequences, ascending in each."""
    inputs: Index
    """(M,) what stands there in the input."""
    labels: Index | None = None
    """(M,) which of the shard's masked places they are; None where they were drawn just now."""


@dataclass(frozen=True)
class Masking:
    """What may be masked, and how much of it."""

    mask_id: int
    ordinary: Array
    """Ids of the tokens that are not special: only they are masked, or put in place of others."""
    continues: Array
    """(V,) bool: whether a token goes on with the word before it; all False masks single tokens."""
    share: float = _SHARE

    def draw(self, tokens: Array, lengths: Index, dice: np.random.Generator) -> Masks:
        """Choose words of some sequences until their tokens are the share, at least one token each.

        Args:
            tokens: (sum of lengths,) ids.
            lengths: (B,) tokens of each sequence.
            dice: decides.
        """
        row = np.repeat(np.arange(len(lengths)), lengths)
        usable = np.zeros(len(self.continues), dtype=bool)
        usable[self.ordinary] = True
        free = usable[tokens]
        first = free & ~(self.continues[tokens] & np.append(False, free[:-1]))
        word = np.cumsum(first) - 1  # of the free tokens; the others get what does not matter
        sizes = np.bincount(word[free], minlength=int(first.sum()))
        chosen = self._words(
            row[first], sizes, np.bincount(row[free], minlength=len(lengths)), dice
        )
        picked = np.flatnonzero(free)[chosen[word[free]]]
        starts = np.cumsum(lengths) - lengths
        return Masks(
            counts=np.bincount(row[picked], minlength=len(lengths)),
            places=picked - starts[row[picked]],
            inputs=self._inputs(tokens[picked].astype(np.int64), dice),
        )

    def _words(
        self, row: Index, sizes: Index, free: Index, dice: np.random.Generator
    ) -> npt.NDArray[np.bool_]:
        """Return (W,) which words are masked: in random order, as long as they fit."""
        wanted = np.maximum(1, np.round(self.share * free))
        order = np.lexsort((dice.random(len(row)), row))
        reached = np.cumsum(sizes[order])
        begins = np.flatnonzero(np.diff(row[order], prepend=-1))
        before = np.repeat((reached - sizes[order])[begins], np.diff(np.append(begins, len(row))))
        taken = reached - before
        fits = (taken <= wanted[row[order]]) | (taken == sizes[order])  # the first, however long
        chosen = np.zeros(len(row), dtype=bool)
        chosen[order] = fits
        return chosen

    def _inputs(self, tokens: Index, dice: np.random.Generator) -> Index:
        """Return what stands at masked places."""
        luck, others = dice.random(len(tokens)), dice.choice(self.ordinary, len(tokens))
        found = np.where(luck < _MASKED, self.mask_id, tokens)
        return np.where((luck >= _MASKED) & (luck < _MASKED + _ANOTHER), others, found)


def masking_of(corpus: Corpus) -> Masking:
    """Return how a corpus that is not masked asks to be masked."""
    settings = corpus.manifest.get("settings")
    known: dict[str, Any] = settings if isinstance(settings, dict) else {}
    ordinary = np.setdiff1d(np.arange(corpus.vocab_size), corpus.special_ids)
    continues = np.zeros(corpus.vocab_size, dtype=bool)
    if known.get("whole_words", False):
        for token, number in corpus.tokenizer().get_vocab().items():
            continues[number] = token.startswith("##")
    share = known.get("mask_share", _SHARE)
    return Masking(corpus.mask_id, ordinary, continues, float(share))
