"""The labels of one shard, mapped into memory and decoded as far as they are asked for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kdc.compress.arrays import Array, Index
from kdc.compress.corpus.shards import token_type
from kdc.compress.errors import KdcError
from kdc.compress.labels.grid import code_type, table
from kdc.compress.labels.method import Method
from kdc.compress.mapped import map_arrays
from kdc.compress.signals import Sparse

POOLED = "pooled"


def states_name(layer: int) -> str:
    """Return what the states of a layer are called in a shard's file."""
    return f"states.{layer}"


def size_type(method: Method) -> type[np.uint8] | type[np.uint16]:
    """Return what holds the number of a place's tokens."""
    return np.uint8 if method.count < 256 else np.uint16


@dataclass(frozen=True)
class ShardLabels:
    """What a teacher said about a shard: its M masked places, and, on request, its states.

    Places are in the order of the shard's `mask_places`, examples in its own: masking `e // S` of
    sequence `e % S`.
    """

    method: Method
    vocab_size: int
    places: int
    """M."""
    arrays: dict[str, Array]
    """As they lie in the file."""
    starts: Index
    """(M + 1,) where a place's entries begin; of `full` it is empty."""

    def targets(self, rows: slice | Index) -> Sparse:
        """Return what the teacher said at some of the masked places.

        Args:
            rows: which, as a slice or as (m,) indices below M.

        Raises:
            KdcError: the labels hold states only.
        """
        if self.method.kind == "none":
            raise KdcError("these labels hold states and no masked words: label with --draws")
        if self.method.kind == "full":
            return self._every(rows)
        index = np.arange(self.places)[rows] if isinstance(rows, slice) else rows
        begin = self.starts[index]
        sizes = self.starts[index + 1] - begin
        place = np.arange(int(sizes.max(initial=1)))
        there = place < sizes[:, None]
        where = np.where(there, begin[:, None] + place, 0)
        codes = self.arrays["codes"]
        if not len(codes):  # every place of the shard is nothing but tail
            where, codes = where[:, :0], np.zeros(0, codes.dtype)
            there = there[:, :0]
        ids = np.where(there, self.arrays["ids"][where], 0).astype(np.int64)
        found = np.where(there, self._values(codes[where]), 0).astype(np.float32)
        tail = np.zeros(len(index), np.float32)
        if self.method.kind == "topk":
            tail = self._values(self.arrays["tail"][index])
        return self._sparse(torch.from_numpy(ids), found, tail)

    def states(self, layer: int) -> npt.NDArray[np.float16]:
        """Return (tokens of all examples, H) states after a layer, example by example."""
        return self._asked(states_name(layer), f"--states {layer}")

    def pooled(self) -> npt.NDArray[np.float16]:
        """Return (examples, H) means of the last states over each example's tokens."""
        return self._asked(POOLED, "--pooled")

    def _asked(self, name: str, option: str) -> npt.NDArray[np.float16]:
        if name not in self.arrays:
            raise KdcError(f"these labels hold no such states: label with {option}")
        return self.arrays[name]

    def _every(self, rows: slice | Index) -> Sparse:
        found = self._values(self.arrays["codes"][rows])
        ids = torch.arange(self.vocab_size).expand(found.shape)
        return self._sparse(ids, found, np.zeros(len(found), np.float32))

    def _values(self, codes: Array) -> npt.NDArray[np.float32]:
        if self.method.kind == "draws":
            return codes.astype(np.float32)
        return table(self.method.bits, self.method.spread)[codes]

    def _sparse(self, ids: torch.Tensor, found: Array, tail: Array) -> Sparse:
        whole = np.maximum(found.sum(axis=1) + tail, np.finfo(np.float32).tiny)
        return Sparse(
            ids,
            torch.from_numpy(found / whole[:, None]),
            torch.from_numpy(tail / whole),
            self.method.temperature,
        )


def read_shard_labels(path: Path, method: Method, vocab_size: int, places: int) -> ShardLabels:
    """Map the labels of a shard and check that they are what their method makes.

    Args:
        path: the file.
        method: how the labels were made.
        vocab_size: ids are below it.
        places: the masked places of the token shard, M.

    Raises:
        KdcError: it is damaged, or its arrays contradict each other.
    """
    arrays = map_arrays(path)
    starts = np.zeros(0, np.int64)
    if "sizes" in arrays:
        starts = np.concatenate([[0], np.cumsum(arrays["sizes"], dtype=np.int64)])
    if problem := _problem(arrays, method, vocab_size, places, starts):
        raise KdcError(f"{path} is damaged: {problem}; remove it and label its shard again")
    return ShardLabels(method, vocab_size, places, arrays, starts)


def array_types(method: Method, vocab_size: int) -> dict[str, type]:
    """Return the arrays that a method writes for a shard, with their types.

    `sizes` (M,) how many entries a place has; `ids` and `codes` (all entries,); `tail` (M,). Of
    `full`, only `codes` (M, V).
    """
    code = np.uint8 if method.kind == "draws" else code_type(method.bits)
    listed = {"sizes": size_type(method), "ids": token_type(vocab_size), "codes": code}
    words: dict[str, dict[str, type]] = {
        "topk": {**listed, "tail": code},
        "draws": {**listed},
        "full": {"codes": code},
        "none": {},
    }
    states = [states_name(layer) for layer in method.states] + [POOLED] * method.pooled
    return words[method.kind] | dict.fromkeys(states, np.float16)


def _problem(
    arrays: dict[str, Array], method: Method, vocab_size: int, places: int, starts: Index
) -> str:
    """Say what is wrong with a shard's arrays, or nothing."""
    wanted = array_types(method, vocab_size)
    if {name: array.dtype for name, array in arrays.items()} != {
        name: np.dtype(kind) for name, kind in wanted.items()
    }:
        return f"it does not hold {', '.join(wanted)} in their types"
    for name, array in arrays.items():
        if array.ndim != (2 if wanted[name] is np.float16 or method.kind == "full" else 1):
            return f"{name} has {array.ndim} dimensions"
    if method.kind == "full":
        good = arrays["codes"].shape == (places, vocab_size)
        return "" if good else f"codes are not of {places:,} places and {vocab_size:,} tokens"
    if method.kind == "none":
        return ""
    if len(arrays["sizes"]) != places or len(arrays.get("tail", arrays["sizes"])) != places:
        return f"its labels are not of {places:,} masked places"
    if not len(arrays["ids"]) == len(arrays["codes"]) == starts[-1]:
        return "ids and codes are not as many as its sizes say"
    if arrays["sizes"].max(initial=0) > method.count:
        return f"a place has more than {method.count} tokens"
    if arrays["ids"].max(initial=0) >= vocab_size:
        return f"it holds tokens outside of the {vocab_size:,} of the vocabulary"
    return ""
