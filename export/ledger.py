"""Where the bytes of what ships are: by part of the model, and the tokenizer's files beside it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kdc.compress.errors import KdcError
from kdc.export.model_file import ORT, deflated, deflated_bytes, read_model_file

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

VOCABULARY, POSITIONS, ATTENTION, FFN = "vocabulary", "positions", "attention", "ffn"
HEAD, NORMS, OTHER, GRAPH = "head", "norms", "other", "graph"
TOKENIZER, RECORDS = "tokenizer", "records"
GROUPS = {
    VOCABULARY: "word embeddings",
    POSITIONS: "embeddings of positions and token types",
    ATTENTION: "queries, keys, values and their output",
    FFN: "the two matrices after attention",
    HEAD: "pooler and classifier",
    NORMS: "scale and shift of normalizations",
    OTHER: "constants and weights of other kinds",
    GRAPH: "everything in the model that is no weight",
    TOKENIZER: "the files that turn text into tokens",
    RECORDS: "config, golden texts, card and digests",
}
# the first that is found in a weight's name; names of our own graphs and of transformers' models
_NAMES = (
    (NORMS, r"norm(?!al)"),
    (VOCABULARY, r"^words\b|(word|tok)_embeddings|embed_tokens"),
    (POSITIONS, r"^(positions|types)\b|(position|token_type|rel)_embeddings"),
    (HEAD, r"^head\b|pooler|classifier|pre_classifier"),
    (ATTENTION, r"attention|attn|\b[qkv]_lin\b|\bout_lin\b"),
    (FFN, r"\bffn\b|\blin[12]\b|intermediate|layer(s|_groups)?\.\d+\.(output|ffn)"),
)
# what quantizers append to a weight's name
_SUFFIX = re.compile(r"(_quantized|_scale|_zero_point|\.(int8|int4|fp16|scale|times|\d+))+$")
_NEAR = 8  # nodes from a weight without a telling name to its bias, quantized as it may be
_SAME = {"Add", "Cast", "QuantizeLinear", "DequantizeLinear"}  # what may follow a product
_Users = dict[str, "list[NodeProto]"]
"""The nodes that read a value."""


@dataclass(frozen=True)
class Row:
    """A group of bytes."""

    group: str
    """A name from `GROUPS`."""
    bytes: int
    """Bytes on the disk; those of all groups together are the files' own."""
    zip_bytes: int
    """Bytes after deflate at level 9, the group by itself."""

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {"group": self.group, "bytes": self.bytes, "zip_bytes": self.zip_bytes}


def ledger(folder: Path, files: Iterable[Path] | None = None) -> list[Row]:
    """Account for every byte of a phone folder.

    Args:
        folder: a phone folder, with or without its manifest.
        files: those of its files that count; None for all.

    Returns:
        A row for each group that has any bytes, in the order of `GROUPS`.

    Raises:
        KdcError: it holds no model or several, or one that cannot be read.
    """
    every = sorted(path for path in (files or folder.rglob("*")) if path.is_file())
    models = [path for path in every if path.suffix in (".onnx", ORT)]
    if len(models) != 1:
        raise KdcError(f"{folder} holds {len(models)} models, so is no phone folder")
    (model,) = models
    parts = model_parts(model)
    shipped = set(read_model_file(model).files)
    found = {name: (len(data), deflated([data])) for name, data in parts.items()}
    for path in every:
        if path not in shipped:
            group = TOKENIZER if _is_tokenizer(path) else RECORDS
            had = found.get(group, (0, 0))
            found[group] = (had[0] + path.stat().st_size, had[1] + deflated_bytes(path))
    return [Row(name, *found[name]) for name in GROUPS if any(found.get(name, ()))]


def model_parts(path: Path) -> dict[str, bytes]:
    """Return the bytes of a model file, and of its weights' files, by group.

    Raises:
        KdcError: the model cannot be read.
    """
    files = read_model_file(path).files
    if path.suffix == ORT:
        from kdc.export.ort_file import read_ort

        graph, rest = read_ort(path)
        return {**_weights(graph), GRAPH: rest}
    import onnx

    model = onnx.load(path)
    parts = _weights(model.graph)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    left = sum(file.stat().st_size for file in files) - sum(map(len, parts.values()))
    bare = model.SerializeToString(deterministic=True)
    # what is left of the file: the graph, the tensors' own headers and the gaps between them
    return {**parts, GRAPH: bare[:left].ljust(left, b"\0")}


def _weights(graph: "GraphProto") -> dict[str, bytes]:
    groups = group_tensors(graph)
    parts: dict[str, bytearray] = {}
    for tensor in graph.initializer:
        parts.setdefault(groups[tensor.name], bytearray()).extend(tensor.raw_data)
    return {name: bytes(data) for name, data in parts.items()}


def group_tensors(graph: "GraphProto") -> dict[str, str]:
    """Return the group of each initializer: by its name, its bias's name, or its shape and use.

    Exporters that fold a transpose call a weight `val_87`; its bias keeps its name, unless the
    same numbers are also the bias of another layer.
    """
    names = {tensor.name: _by_name(tensor.name) for tensor in graph.initializer}
    matrices = {
        _SUFFIX.sub("", tensor.name): tensor
        for tensor in graph.initializer
        if sum(size > 1 for size in tensor.dims) == 2
    }
    users = _users(graph)
    stems = {
        stem: names[tensor.name] or _by_bias(tensor.name, names, users) or _by_use(tensor, users)
        for stem, tensor in matrices.items()
    }
    return {name: group or stems.get(_SUFFIX.sub("", name), OTHER) for name, group in names.items()}


def _users(graph: "GraphProto") -> _Users:
    users: _Users = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def _by_name(name: str) -> str | None:
    return next((group for group, known in _NAMES if re.search(known, name.lower())), None)


def _by_bias(name: str, names: Mapping[str, str | None], users: _Users) -> str | None:
    """Follow a weight through the nodes that use it to the first that also has a known one."""
    front = [name]
    for _ in range(_NEAR):
        found = [node for value in front for node in users.get(value, [])]
        for node in found:
            for other in node.input:
                group = names.get(other)
                if group is not None:
                    return group if len(users[other]) == 1 and group != NORMS else None
        front = [output for node in found for output in node.output]
    return None


def _by_use(tensor: "TensorProto", users: _Users) -> str:
    """Only an encoder's layers lose their names; square ones are attention's in most families.

    So is one whose product is cut into heads: ModernBERT's for queries, keys and values together
    may have the very shape of the one behind it in the ffn.
    """
    rows, columns = (size for size in tensor.dims if size > 1)
    return ATTENTION if rows == columns or _into_heads(tensor.name, users) else FFN


def _into_heads(name: str, users: _Users) -> bool:
    """Whether the first that is done with a weight's product is a Reshape."""
    front, multiplied = [name], False
    for _ in range(_NEAR):
        found = [node for value in front for node in users.get(value, [])]
        if multiplied:
            if any(node.op_type not in _SAME for node in found):
                return any(node.op_type == "Reshape" for node in found)
        else:
            multiplied = any("MatMul" in node.op_type or node.op_type == "Gemm" for node in found)
        front = [output for node in found for output in node.output]
    return False


def _is_tokenizer(path: Path) -> bool:
    return path.name.startswith("tokenizer") or path.name == "vocab.txt"
