"""For each whole word of a teacher's vocabulary, the words of nearly the same embedding."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256 as digest_of
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from kdc.compress.files import whole_file
from kdc.compress.progress import Progress
from kdc.compress.words import like, replaceable

Ids = npt.NDArray[np.int64]
Table = npt.NDArray[np.int32]
_CARRIER = "a"  # words are looked up behind it, as they stand in a text: most tokenizers tell
_BLOCK = 1024  # words compared with all others at once
_CHUNK = 4096  # words handed to the tokenizer at once


class Neighbours:
    """Candidates for a word, whatever stands around it."""

    def __init__(self, tokenizer: Tokenizer, ids: Ids, words: list[str], table: Table) -> None:
        self._tokenizer, self._words, self._table = tokenizer, words, table
        self._rows = {int(token): row for row, token in enumerate(ids)}
        self._before = len(_ids(tokenizer, [_CARRIER])[0])
        self._find = lru_cache(maxsize=1 << 16)(self._look_up)

    def __call__(self, word: str) -> tuple[str, ...]:
        """Return the nearest words with the word's capitals; none where it has several pieces."""
        return self._find(word)

    def _look_up(self, word: str) -> tuple[str, ...]:
        ids = _ids(self._tokenizer, [f"{_CARRIER} {word}"])[0]
        if len(ids) != self._before + 1 or ids[-1] not in self._rows:
            return ()
        near = (self._words[row] for row in self._table[self._rows[ids[-1]]])
        return tuple(dict.fromkeys(like(found, word) for found in near))


def neighbours(
    tokenizer: Tokenizer,
    embeddings: npt.NDArray[np.float32],
    count: int,
    folder: Path,
    progress: Progress,
) -> Neighbours:
    """Find the nearest words by the cosine of their embeddings, once for a teacher; they are kept.

    Args:
        tokenizer: the teacher's.
        embeddings: (V, H) its token embeddings.
        count: words kept for each, K.
        folder: where the table is kept.
        progress: shows how far it is.
    """
    ids, words = whole_words(tokenizer, len(embeddings))
    vectors = np.ascontiguousarray(embeddings[ids])
    digest = digest_of(vectors.tobytes())
    digest.update(f"{count} {words}".encode("utf-8", "surrogatepass"))
    key = digest.hexdigest()
    path, shape = folder / f"words-{key[:16]}.safetensors", (len(words), min(count, len(words)))
    table = _read(path, key, shape)
    if table is None:
        table = nearest(vectors, words, count, progress)
        with whole_file(path) as temporary:
            save_file({"table": table}, temporary, metadata=_note(key, table))
    return Neighbours(tokenizer, ids, words, table)


def whole_words(tokenizer: Tokenizer, size: int) -> tuple[Ids, list[str]]:
    """Return the (W,) tokens that are whole words inside a text and may be replaced, as written.

    Args:
        tokenizer: of any kind; what a token is, is asked of itself.
        size: rows of the embeddings; tokens from there on have none.
    """
    known = sorted(token for token in tokenizer.get_vocab().values() if token < size)
    texts = [text.strip() for text in tokenizer.decode_batch([[token] for token in known])]
    likely = [(token, text) for token, text in zip(known, texts, strict=True) if text]
    likely = [(token, text) for token, text in likely if replaceable(text)]
    before = len(_ids(tokenizer, [_CARRIER])[0])
    cut = _ids(tokenizer, [f"{_CARRIER} {text}" for _, text in likely])
    found = [
        (token, text)
        for (token, text), ids in zip(likely, cut, strict=True)
        if len(ids) == before + 1 and ids[-1] == token
    ]
    return np.array([token for token, _ in found], dtype=np.int64), [text for _, text in found]


def nearest(
    embeddings: npt.NDArray[np.float32], words: Sequence[str], count: int, progress: Progress
) -> Table:
    """Return the (W, K) places of the words nearest to each by cosine, the nearest first.

    The same word in other capitals is none of them, unless there are too few others.

    Args:
        embeddings: (W, H), of the words.
        words: the W words.
        count: K, or W where that is less.
        progress: shows how far it is.
    """
    import torch

    unit = torch.nn.functional.normalize(torch.from_numpy(embeddings).float(), dim=1)
    folded: dict[str, int] = {}
    same = torch.tensor([folded.setdefault(word.casefold(), len(folded)) for word in words])
    found = [np.zeros((0, min(count, len(words))), np.int32)]
    with progress.bar("finding the nearest words", len(words)) as advance:
        for start in range(0, len(words), _BLOCK):
            cosines = unit[start : start + _BLOCK] @ unit.T
            cosines[same[start : start + _BLOCK, None] == same] = -2.0
            places = cosines.topk(min(count, len(words)), dim=1).indices
            found.append(places.numpy().astype(np.int32))
            advance(len(places))
    return np.concatenate(found)


def _ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    found = []
    for start in range(0, len(texts), _CHUNK):
        batch = list(texts[start : start + _CHUNK])
        rows = tokenizer.encode_batch(batch, add_special_tokens=False)
        found += [row.ids for row in rows]
    return found


def _note(key: str, table: Table) -> dict[str, str]:
    """Say what a table is of and what it holds, under one name: the file's own order is random."""
    return {"digests": f"{key} {digest_of(np.ascontiguousarray(table).tobytes()).hexdigest()}"}


def _read(path: Path, key: str, shape: tuple[int, int]) -> Table | None:
    """Return a kept table, or None where there is none, it is damaged or of something else."""
    try:
        with safe_open(path, "numpy") as file:
            note, table = file.metadata(), file.get_tensor("table")
    except (OSError, SafetensorError):
        return None
    whole = note == _note(key, table)
    return table if whole and table.shape == shape and table.dtype == np.int32 else None
