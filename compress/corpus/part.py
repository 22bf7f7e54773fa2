"""One part of a corpus: some documents in, a shard out. Whoever makes it makes the same bytes."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from kdc.compress.corpus.masking import Chosen, Masker
from kdc.compress.corpus.pairs import pair_spans
from kdc.compress.corpus.sentences import sentences
from kdc.compress.corpus.sequences import (
    Documents,
    Span,
    assemble,
    separated,
    single_spans,
    trimmed,
)
from kdc.compress.corpus.settings import Settings
from kdc.compress.corpus.shards import Shard, write_shard
from kdc.compress.corpus.sources import Document
from kdc.compress.corpus.vocabulary import MARK, Vocabulary
from kdc.compress.corpus.wikitext import plain_text
from kdc.compress.errors import KdcError
from kdc.compress.files import sha256, write_json

_AT_ONCE = 256  # documents handed to the Rust tokenizer
_SPLITS = ("train", "held")


@dataclass(frozen=True)
class Part:
    """Documents that make one shard, and one of held-out documents where some are."""

    source: int
    """The number of the source, from 0."""
    number: int
    """Of the part in its source, from 0."""
    documents: list[Document]

    @property
    def name(self) -> str:
        """What its files start with; in the order of the corpus when sorted."""
        return part_name(self.source, self.number)


def part_name(source: int, number: int) -> str:
    """Return what the files of a part start with."""
    return f"part-{source:05d}-{number:06d}"


class Maker:
    """Turns parts into shards."""

    def __init__(self, vocabulary: Vocabulary, settings: Settings) -> None:
        """Prepare the tokenizer and the tables.

        Raises:
            KdcError: the tokenizer cannot do what the settings ask.
        """
        self._vocabulary, self._settings = vocabulary, settings
        self._masker = Masker(vocabulary, settings)
        head, middle, tail = vocabulary.around
        around = len(head) + len(tail)
        self._single = settings.max_length - around
        self._paired = settings.max_length - around - len(middle)

    def make(self, part: Part, folder: Path) -> None:
        """Write a part's shards and, last, the file that says that they are there.

        Raises:
            KdcError: the disk is full, or the tokenizer has no answer to a text.
        """
        texts: dict[str, list[str]] = {split: [] for split in _SPLITS}
        for document in part.documents:
            if text := _plain(document):
                texts["held" if self._is_held(text) else "train"].append(text)
        made: dict[str, Any] = {}
        for number, split in enumerate(_SPLITS):
            shard = self._shard(texts[split], split, (part.source, part.number, number))
            path = folder / f"{part.name}-{split}.safetensors"
            if shard is None:
                path.unlink(missing_ok=True)
                continue
            write_shard(path, shard)
            made[split] = _summary(path, shard, len(texts[split]))
        write_json(folder / f"{part.name}.json", made)

    def _is_held(self, text: str) -> bool:
        """Whether a document is held out: its text decides, so that a copy of it goes along."""
        if not self._settings.held_out:
            return False
        number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
        return number < self._settings.held_out * 2.0**64

    def _shard(self, texts: list[str], split: str, place: tuple[int, ...]) -> Shard | None:
        documents = self._tokenised(texts)
        if not len(documents.tokens):
            return None
        documents, spans = self._spans(documents, place)
        made = assemble(documents.tokens, spans, self._vocabulary)
        # what is held out is masked once and for all: judging is the same each time
        times = 1 if split == "held" else self._settings.duplicates
        seed = [self._settings.seed, *place]
        chosen = [
            self._masker.mask(made.tokens, made.starts, np.random.default_rng([*seed, time]))
            for time in range(times)
        ]
        masked = _joined(chosen, made.tokens.dtype)
        return Shard(made.tokens, made.starts, made.seconds, made.pairs, *masked)

    def _spans(self, documents: Documents, place: tuple[int, ...]) -> tuple[Documents, list[Span]]:
        """Cut documents into sequences as the settings ask; packed ones are joined first."""
        settings = self._settings
        rng = Random(" ".join(map(str, (settings.seed, *place))))
        if settings.pairs != "none":
            return documents, list(pair_spans(documents, self._paired, settings, rng))
        if not settings.packing:
            return documents, list(single_spans(documents, self._single, settings.short, rng))
        separator = self._vocabulary.around[2][-1]
        joined = separated(documents, separator)
        spans = single_spans(joined, self._single, settings.short, rng)
        return joined, list(trimmed(spans, joined.tokens == separator))

    def _tokenised(self, texts: Sequence[str]) -> Documents:
        """Tokenise documents, with a mark between sentences that is then taken out again."""
        encode = self._vocabulary.marking.encode_batch_fast
        rows = []
        with _one_thread():
            for start in range(0, len(texts), _AT_ONCE):
                marked = [_marked(text) for text in texts[start : start + _AT_ONCE]]
                try:
                    found = encode(marked, add_special_tokens=False)
                except Exception as error:  # the Rust library raises bare Exception
                    raise KdcError(f"the tokenizer cannot encode these texts: {error}") from error
                rows += [np.array(encoding.ids, dtype=np.uint32) for encoding in found]
        return _unmarked(rows, self._vocabulary.mark)


def making(vocabulary: Vocabulary, settings: Settings, folder: Path) -> Callable[[Part], None]:
    """Return what turns a part into files in a folder; a worker process begins with it."""
    maker = Maker(vocabulary, settings)
    return lambda part: maker.make(part, folder)


def _plain(document: Document) -> str:
    if document.spaces is None:
        return document.text.replace(MARK, " ").strip()
    return plain_text(document.text.replace(MARK, " "), document.spaces)


def _marked(text: str) -> str:
    """Put the mark before every sentence; the space is for tokenizers that tell words by it."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    return "".join([f"{MARK} {sentence}" for line in lines for sentence in sentences(line.strip())])


def _unmarked(rows: list[Any], mark: int) -> Documents:
    """Take the marks out of the documents' tokens and remember where they stood."""
    tokens = np.concatenate([np.zeros(0, dtype=np.uint32), *rows])
    at = tokens == mark
    before = np.concatenate([[0], np.cumsum(~at)])  # tokens before each place, marks left out
    borders = before[np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])]
    starts = before[:-1][at]
    ends = np.union1d(starts, borders)
    return Documents(tokens[~at].astype(np.int64), ends[ends > 0], np.unique(borders))


def _joined(chosen: list[Chosen], kind: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - dtype
    """Return `mask_starts`, `mask_places` and `mask_inputs` of all maskings, one after another."""
    counts = [np.diff(one.starts) for one in chosen]
    starts = np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts]))])
    places = np.concatenate([np.zeros(0, np.uint16), *(one.places for one in chosen)])
    inputs = np.concatenate([np.zeros(0, kind), *(one.inputs for one in chosen)])
    return starts.astype(np.int64), places, inputs


def _summary(path: Path, shard: Shard, documents: int) -> dict[str, Any]:
    return {
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "documents": documents,
        "sequences": shard.sequences,
        "tokens": len(shard.tokens),
        "masked": len(shard.mask_places),
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the Rust tokenizer to one thread: workers share the cores already."""
    name = "TOKENIZERS_PARALLELISM"
    old = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        os.environ.pop(name)
        if old is not None:
            os.environ[name] = old
