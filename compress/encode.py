"""From texts to token ids, and from token ids to batches of nearly one length."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from kdc.compress.arrays import Index
from kdc.compress.data.dataset import Split
from kdc.compress.errors import KdcError
from kdc.compress.examples import Examples
from kdc.compress.progress import Progress

if TYPE_CHECKING:
    from kdc.compress.signals import Sparse

_CHUNK = 1024  # texts handed to the Rust tokenizer at once
_CHARACTERS = 2_000_000  # in them, unless one text has more
_POOL = 64  # batches sorted by length together: padding is a few % and the order stays random


def plain_tokenizer(tokenizer: Any, max_length: int) -> Tokenizer:  # noqa: ANN401
    """Return the Rust tokenizer inside a transformers one: no padding, cut at `max_length`."""
    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.no_padding()
    plain.enable_truncation(max_length, direction=tokenizer.truncation_side)
    return plain


def encode(tokenizer: Tokenizer, split: Split, progress: Progress, what: str) -> Examples:
    """Tokenise a split, each row to its own length.

    Raises:
        KdcError: the tokenizer has no answer to a text, or gives it no token at all.
    """
    tokens: list[npt.NDArray[np.int32]] = []
    types: list[npt.NDArray[np.uint8]] = []
    with progress.bar(f"tokenising {what}", len(split)) as advance:
        for span in _spans(split):
            texts = split.texts[span]
            pairs = split.pairs and split.pairs[span]
            rows = list(zip(texts, pairs, strict=True)) if pairs else texts
            for encoding in _encoded(tokenizer, rows):
                tokens.append(np.array(encoding.ids, dtype=np.int32))
                types.append(np.array(encoding.type_ids, dtype=np.uint8))
            advance(len(texts))
    return Examples(
        tokens=np.concatenate(tokens),
        types=np.concatenate(types),
        lengths=np.array([len(row) for row in tokens], dtype=np.int32),
        labels=split.labels,
        texts=split.texts,
        pairs=split.pairs,
    )


def _spans(split: Split) -> Iterator[slice]:
    """Yield which rows are tokenised at once: few long ones, for each token takes 300 bytes."""
    start = characters = 0
    others = split.pairs or [""] * len(split)
    for row, (text, other) in enumerate(zip(split.texts, others, strict=True)):
        characters += len(text) + len(other)
        if row > start and (row - start == _CHUNK or characters > _CHARACTERS):
            yield slice(start, row)
            start, characters = row, len(text) + len(other)
    yield slice(start, len(split))


def _encoded(tokenizer: Tokenizer, rows: list[Any]) -> list[Encoding]:
    try:
        found: list[Encoding] = tokenizer.encode_batch(rows)
    except Exception as error:  # the Rust library raises bare Exception, for a missing [UNK] say
        raise KdcError(f"the model's tokenizer.json cannot encode these texts: {error}") from error
    if not all(len(encoding) for encoding in found):
        raise KdcError(
            "the model's tokenizer gives no token to an empty text: its tokenizer.json lacks the "
            "post-processor that adds the special tokens"
        )
    return found


def vocabulary(tokenizer: Tokenizer) -> dict[str, int]:
    """Return token -> id of a tokenizer's model, added tokens included."""
    return {str(token): int(row) for token, row in tokenizer.get_vocab().items()}


def same_tokenizer(one: Tokenizer, other: Tokenizer) -> bool:
    """Whether two tokenizers give the same ids to every text."""
    keys = ("normalizer", "pre_tokenizer", "post_processor", "model", "added_tokens")
    a, b = json.loads(one.to_str()), json.loads(other.to_str())
    return all(a.get(key) == b.get(key) for key in keys)


@dataclass(frozen=True)
class Masked:
    """Which of a batch's tokens are masked, counted beforehand: no look at the device is needed."""

    places: Tensor
    """(M,) int64: b * T + t of every masked token."""
    targets: Tensor
    """(M,) int64: the tokens that stood there."""
    sparse: "Sparse | None" = None
    """What a teacher's labels say at these places; None where there are none."""


@dataclass(frozen=True)
class States:
    """What a teacher's labels hold of a batch's states."""

    layers: dict[int, Tensor]
    """(B, T, H) float16 after a layer, by its number; 0: the embeddings. Padding means nothing."""
    pooled: Tensor | None = None
    """(B, H) float16: each row's mean of the last states; None where it was not kept."""


@dataclass(frozen=True)
class Batch:
    """B rows padded to the longest of them, T."""

    input_ids: Tensor
    """(B, T) int64."""
    mask: Tensor
    """(B, T) int64, 1 where there is a token."""
    types: Tensor
    """(B, T) int64, 1 in the second text of a pair."""
    labels: Tensor
    """(B,) int64 classes, (B, C) float32 of several labels, or (B,) float32 scores."""
    index: Tensor
    """(B,) int64: which rows these are."""
    masked: Masked | None = None
    """None where no token is masked."""
    shares: dict[str, float] | None = None
    """Unit of an objective -> what these rows count in its mean over the batch that they are a
    slice of; None where they are all of it."""
    states: States | None = None
    """None where the teacher is asked, or no objective reads them."""
    padded: bool = True
    """Whether some row may be shorter than T; where none is, the attention needs no mask."""


class Batches:
    """Makes batches of some examples on a device."""

    def __init__(self, examples: Examples, padding: int, device: torch.device) -> None:
        self.examples = examples
        self.padding = padding
        self.device = device
        self._starts = examples.starts

    def make(self, index: Index) -> Batch:
        """Collate the rows of `index`."""
        where, mask = side_by_side(self._starts[index], self.examples.lengths[index])
        ids = np.where(mask, self.examples.tokens[where], self.padding)
        types = np.where(mask, self.examples.types[where], 0)
        labels = self.examples.labels[index]
        return Batch(
            input_ids=send(ids, self.device),
            mask=send(mask, self.device),
            types=send(types, self.device),
            labels=send(labels, self.device),
            index=send(index, self.device),
            padded=not bool(mask.all()),  # looked at here, where no device is waited for
        )


def side_by_side(starts: Index, lengths: npt.NDArray[Any]) -> tuple[Index, npt.NDArray[np.bool_]]:
    """Return where the tokens of some rows stand in one array of all, and which of these are real.

    Args:
        starts: (B,) of the rows in the array.
        lengths: (B,) of the rows.

    Returns:
        (B, T) places, of padding 0, and (B, T) whether there is a token.
    """
    place = np.arange(int(lengths.max()))[None, :]
    mask = place < lengths[:, None]
    return np.where(mask, starts[:, None] + place, 0), mask


def send(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Bring an array to a device: floating point as it is, everything else as int64."""
    wide = array if array.dtype.kind == "f" else array.astype(np.int64)
    return bring(torch.from_numpy(np.ascontiguousarray(wide)), device)


def bring(tensor: Tensor, device: torch.device) -> Tensor:
    """Bring a tensor of the CPU to a device."""
    if device.type == "cuda":  # a pinned copy overlaps with the step before
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def epoch_order(lengths: npt.NDArray[Any], size: int, seed: int, epoch: int) -> list[Index]:
    """Return one epoch's batches: shuffled, of nearly one length each, the same for a seed.

    Rows are shuffled, cut into pools, sorted by length inside each pool, cut into batches, and
    the batches shuffled: little padding, and no order of lengths over the epoch.
    """
    rng = np.random.default_rng([seed, epoch])
    rows = rng.permutation(len(lengths))
    batches: list[Index] = []
    for start in range(0, len(rows), size * _POOL):
        pool = rows[start : start + size * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def equal_lengths(lengths: npt.NDArray[Any], size: int) -> Iterator[Index]:
    """Yield batches of rows of exactly one length, so that nothing is ever padded."""
    order = np.argsort(lengths, kind="stable")
    edges = np.flatnonzero(np.diff(lengths[order])) + 1
    for group in np.split(order, edges):
        for start in range(0, len(group), size):
            yield group[start : start + size]
