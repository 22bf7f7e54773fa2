"""Tokenised rows: what batches are made of, and what `dev.npz` carries down the whole walk."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.compress.ragged import ragged


@dataclass(frozen=True)
class Examples:
    """N tokenised rows, each of its own length, stored one after the other."""

    tokens: Array
    """(sum of lengths,) int32 token ids, special tokens included."""
    types: Array
    """(sum of lengths,) uint8 token types: 1 in the second text of a pair."""
    lengths: Array
    """(N,) int32 number of tokens of each row."""
    labels: Array
    """(N,) int64 classes; (N, C) float32 of several labels, 1 where one holds; or (N,) float32
    scores."""
    texts: list[str]
    """The first text of each row."""
    pairs: list[str] | None
    """The second texts, or None."""
    logits: Array | None = None
    """(N, C) float32 answers of the student, each row computed from its own text alone."""

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> Array:
        """(N,) int64 position of each row's first token in `tokens`."""
        return np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)[:-1]])

    def row(self, index: int) -> tuple[Array, Array]:
        """Return one row's token ids and token types, each (T,) int64."""
        start = int(self.starts[index])
        end = start + int(self.lengths[index])
        return self.tokens[start:end].astype(np.int64), self.types[start:end].astype(np.int64)


def concatenate(first: Examples, *others: Examples) -> Examples:
    """Put rows after each other; the answers of a student are left out.

    Raises:
        ValueError: some hold pairs and some single texts, or labels of another type.
    """
    parts = (first, *others)
    kinds = {(part.pairs is None, part.labels.dtype) for part in parts}
    if len(kinds) > 1:
        raise ValueError(f"rows of different tasks: {kinds}")
    pairs = [text for part in parts for text in part.pairs or ()]
    return Examples(
        tokens=np.concatenate([part.tokens for part in parts]),
        types=np.concatenate([part.types for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        texts=[text for part in parts for text in part.texts],
        pairs=None if first.pairs is None else pairs,
    )


CALIBRATION_ROWS = 256


def calibration_rows(train: Examples) -> Examples:
    """Return the rows of `calibration.npz`: up to 256, spread evenly over the training rows."""
    count = min(CALIBRATION_ROWS, len(train))
    return pick(train, np.linspace(0, len(train) - 1, count).round().astype(int))


def pick(examples: Examples, rows: Array) -> Examples:
    """Return the rows at the (M,) places `rows`, in this order."""
    places = ragged(examples.starts[rows], examples.lengths[rows])
    return Examples(
        tokens=examples.tokens[places],
        types=examples.types[places],
        lengths=examples.lengths[rows],
        labels=examples.labels[rows],
        texts=[examples.texts[row] for row in rows],
        pairs=None if examples.pairs is None else [examples.pairs[row] for row in rows],
        logits=None if examples.logits is None else examples.logits[rows],
    )


def save_examples(path: Path, examples: Examples) -> None:
    """Write examples as a compressed `.npz` without pickles; the same rows give the same bytes.

    Arrays: `tokens`, `token_types` (flat), `lengths`, `labels`, `texts` and `pairs` (UTF-8 bytes
    with `_lengths` beside them), and `logits` (N, C) when the student has answered.
    """
    arrays: dict[str, Array] = {
        "tokens": examples.tokens.astype(np.int32),
        "token_types": examples.types.astype(np.uint8),
        "lengths": examples.lengths.astype(np.int32),
        "labels": examples.labels,
        **_pack("texts", examples.texts),
    }
    if examples.pairs is not None:
        arrays |= _pack("pairs", examples.pairs)
    if examples.logits is not None:
        arrays["logits"] = examples.logits.astype(np.float32)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load_examples(path: Path) -> Examples:
    """Read what `save_examples` wrote.

    Raises:
        KdcError: the file is missing, damaged, empty, or holds arrays that do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            pairs = _unpack(arrays, "pairs") if "pairs" in arrays else None
            examples = Examples(
                tokens=arrays["tokens"],
                types=arrays["token_types"],
                lengths=arrays["lengths"],
                labels=arrays["labels"],
                texts=_unpack(arrays, "texts"),
                pairs=pairs,
                logits=arrays.get("logits"),
            )
            whole = _fit_together(examples)
    except FileNotFoundError as error:
        raise KdcError(f"{path} is missing") from error
    except Exception as error:  # numpy, zipfile and zlib each have their own ways to fail
        raise KdcError(f"{path} is damaged or no file of kdc's: {error}") from error
    if not len(examples):
        raise KdcError(f"{path} holds no rows: distil again")
    if not whole:
        raise KdcError(f"{path} is damaged: its arrays do not fit together")
    return examples


def _fit_together(examples: Examples) -> bool:
    n, total = len(examples.lengths), int(examples.lengths.sum())
    rows = (examples.labels, examples.texts, examples.pairs, examples.logits)
    counts = (examples.tokens, examples.types, examples.lengths)
    return (
        n > 0
        and all(array.ndim == 1 and array.dtype.kind in "iu" for array in counts)
        and int(examples.lengths.min()) >= 0
        and len(examples.tokens) == len(examples.types) == total
        and all(len(values) == n for values in rows if values is not None)
    )


def _pack(name: str, texts: list[str]) -> dict[str, Array]:
    data = [text.encode("utf-8", "surrogatepass") for text in texts]
    lengths = np.array([len(item) for item in data], dtype=np.int64)
    return {name: np.frombuffer(b"".join(data), dtype=np.uint8), f"{name}_lengths": lengths}


def _unpack(arrays: Any, name: str) -> list[str]:  # noqa: ANN401 - numpy's NpzFile
    data, ends = arrays[name].tobytes(), np.cumsum(arrays[f"{name}_lengths"])
    end = ends[-1] if len(ends) else 0
    if end != len(data):
        raise ValueError(f"{name} is {len(data)} bytes, not {end}")
    starts = [0, *ends.tolist()][:-1]
    return [
        data[a:b].decode("utf-8", "surrogatepass")
        for a, b in zip(starts, ends.tolist(), strict=True)
    ]
