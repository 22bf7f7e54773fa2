"""Candidates for a word from a masked-LM: what could stand in its place, in its sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from kdc.compress.augment import Candidates
from kdc.compress.encode import plain_tokenizer
from kdc.compress.errors import KdcError
from kdc.compress.families import max_length
from kdc.compress.general.load import has_masked_lm, load_masked_lm
from kdc.compress.models import Source, load_tokenizer, read_config
from kdc.compress.neighbours import whole_words
from kdc.compress.words import like, mistyped, replaceable

_BATCH = 64  # masked texts asked about at once
_WIDER = 3  # times as many tokens are taken as words are wanted: some are pieces of words


def check_masked_lm(source: Source, wanted: str) -> None:
    """Refuse a model whose configuration names no masked-LM head.

    Args:
        source: the model.
        wanted: what asked for it, to the user.

    Raises:
        KdcError: it has none.
    """
    if not has_masked_lm(read_config(source.folder)):
        raise KdcError(
            f"{wanted} needs a masked-LM, and {source.name} has no such head: name a checkpoint "
            'that has one as [augment] model, or take method = "embeddings"'
        )


@dataclass(frozen=True)
class _Question:
    """A text with one word masked."""

    ids: list[int]
    types: list[int]
    place: int
    """Of the mask among the tokens."""
    answer: tuple[int, int]
    """Which text and which word of it was asked about."""


class MaskedWords:
    """Asks a masked-LM about every word of some texts, one at a time.

    The text itself stands after the masked one as a second text, so that what is likely fits its
    meaning and not its grammar alone, as in TinyBERT's published code (Jiao et al. 2020).
    """

    def __init__(self, source: Source, count: int, device: torch.device) -> None:
        """Load a masked-LM.

        Raises:
            KdcError: it cannot be loaded, has no trained head or no mask token.
        """
        tokenizer = load_tokenizer(source)
        if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
            raise KdcError(f"the tokenizer of {source.name} has no mask or no padding token")
        self._model = load_masked_lm(source).requires_grad_(False).to(device)
        self._count, self._device = count, device
        self._mask, self._padding = int(tokenizer.mask_token_id), int(tokenizer.pad_token_id)
        self._unknown = tokenizer.unk_token_id
        self._longest = max_length(self._model)
        self._plain: Tokenizer = plain_tokenizer(tokenizer, self._longest)
        self._takes_types = int(getattr(self._model.config, "type_vocab_size", 0)) > 1
        table = self._model.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        tokens, words = whole_words(self._plain, table.num_embeddings)
        self._words = dict(zip(tokens.tolist(), words, strict=True))

    def __call__(self, texts: Sequence[Sequence[str]]) -> list[list[Candidates]]:
        """Return candidates for every word; one of several pieces is mistyped."""
        found: list[list[Candidates]] = []
        questions: list[_Question] = []
        for number, parts in enumerate(texts):
            asked = {question.answer[1]: question for question in self._questions(number, parts)}
            questions += asked.values()
            words = list(enumerate(parts[1::2]))
            found.append([() if at in asked else self._typed(word) for at, word in words])
        questions.sort(key=lambda question: len(question.ids))
        for start in range(0, len(questions), _BATCH):
            batch = questions[start : start + _BATCH]
            for question, tokens in zip(batch, self._likeliest(batch), strict=True):
                text, at = question.answer
                found[text][at] = self._candidates(texts[text][2 * at + 1], tokens)
        return found

    def _typed(self, word: str) -> Candidates:
        return mistyped(word, self._count) if replaceable(word) else ()

    def _candidates(self, word: str, tokens: list[int]) -> Candidates:
        written = [self._words[token] for token in tokens if token in self._words]
        others = [like(w, word) for w in written if w.casefold() != word.casefold()]
        return tuple(dict.fromkeys(others))[: self._count]

    def _questions(self, number: int, parts: Sequence[str]) -> list[_Question]:
        """Mask each replaceable word of one text that is one token."""
        text = "".join(parts)
        twice = self._plain.encode(text, text)
        row = twice if len(twice) < self._longest else self._plain.encode(text)
        owners: dict[int, list[int]] = {}
        ends = np.cumsum([len(part) for part in parts])
        for place, (start, end) in enumerate(row.offsets):
            if row.sequence_ids[place] == 0 and end > start:
                owners.setdefault(int(np.searchsorted(ends, end - 1, side="right")), []).append(
                    place
                )
        found = []
        for part, places in owners.items():
            if part % 2 and len(places) == 1 and replaceable(parts[part]):
                place = places[0]
                if row.ids[place] != self._unknown:
                    ids = [*row.ids[:place], self._mask, *row.ids[place + 1 :]]
                    answer = (number, part // 2)
                    found.append(_Question(ids, row.type_ids, place, answer))
        return found

    @torch.no_grad()
    def _likeliest(self, batch: list[_Question]) -> list[list[int]]:
        """Return the likeliest tokens in place of each mask, the likeliest first."""
        longest = max(len(question.ids) for question in batch)
        inputs: dict[str, Any] = {
            "input_ids": self._padded([question.ids for question in batch], longest, self._padding),
            "attention_mask": self._padded([[1] * len(q.ids) for q in batch], longest, 0),
        }
        if self._takes_types:
            types = [question.types for question in batch]
            inputs["token_type_ids"] = self._padded(types, longest, 0)
        places = torch.tensor([question.place for question in batch], device=self._device)
        rows = torch.arange(len(batch), device=self._device)

        def only_masked(_: nn.Module, states: tuple[Tensor]) -> tuple[Tensor]:
            return (
                states[0][rows, places, None],
            )  # the vocabulary is wide, one place is asked for

        head = self._model.get_output_embeddings()
        hook = head.register_forward_pre_hook(only_masked) if head is not None else None
        try:
            logits = self._model(**inputs, return_dict=True).logits
        finally:
            if hook is not None:
                hook.remove()
        asked = logits[:, 0] if logits.shape[1] == 1 < longest else logits[rows, places]
        found: list[list[int]] = asked.topk(
            min(_WIDER * self._count, asked.shape[1])
        ).indices.tolist()
        return found

    def _padded(self, rows: list[list[int]], longest: int, filler: int) -> Tensor:
        filled = [[*row, *[filler] * (longest - len(row))] for row in rows]
        return torch.tensor(filled, device=self._device)
