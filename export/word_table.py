"""The word embeddings of an ONNX graph, whoever exported it: found, and cut to fewer rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_IDS = "input_ids"
_SAME_IDS = {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"}  # they change no id


@dataclass(frozen=True)
class WordTable:
    """A table of word embeddings and the nodes that look words up in it."""

    tensor: "TensorProto"
    """(V, E) floats."""
    lookups: "list[NodeProto]"
    """The Gathers."""


def word_tables(model: "ModelProto", rows: int) -> list[WordTable]:
    """Find the tables whose rows are chosen by the input `input_ids`.

    Args:
        model: a graph of any exporter, its weights inside.
        rows: V, the rows that such a table has.

    Raises:
        KdcError: there is none.
    """
    graph = model.graph
    tensors = {
        tensor.name: tensor
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and tensor.dims[0] == rows
    }
    lookups: dict[str, list[NodeProto]] = {}
    for node in _gathers_of_ids(graph):
        if node.input[0] in tensors:
            lookups.setdefault(node.input[0], []).append(node)
    if not lookups:
        raise KdcError(
            f"the exported graph looks input_ids up in no table of {rows:,} rows, so its "
            "vocabulary cannot be cut: use --vocab keep"
        )
    return [WordTable(tensors[name], nodes) for name, nodes in lookups.items()]


def cut_vocabulary(model: "ModelProto", kept: Array, rows: int) -> None:
    """Keep only some rows of the word embeddings, in place.

    Args:
        model: a graph of any exporter, its weights inside.
        kept: (K,) ids, sorted: row K' of the new table is row `kept[K']` of the old one.
        rows: V, the rows before.

    Raises:
        KdcError: no table of word embeddings is found.
    """
    from onnx import numpy_helper

    for table in word_tables(model, rows):
        replace_table(model.graph, table, numpy_helper.to_array(table.tensor)[kept])


def replace_table(graph: "GraphProto", table: WordTable, values: Array) -> None:
    """Let lookups read another table; where something else reads the old one, that stays too."""
    from onnx import numpy_helper

    old = table.tensor.name
    readers = sum(list(node.input).count(old) for node in graph.node)
    name = old if readers == len(table.lookups) else free_name(graph, old)
    if name == old:
        graph.initializer.remove(table.tensor)
    for node in table.lookups:
        node.input[0] = name
    graph.initializer.append(numpy_helper.from_array(values, name))


def free_name(graph: "GraphProto", name: str) -> str:
    """Return a name like `name` that nothing in the graph has."""
    taken = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        taken |= {node.name, *node.input, *node.output}
    names = (name, *(f"{name}.{number}" for number in range(1, len(taken) + 2)))
    return next(free for free in names if free not in taken)


def _gathers_of_ids(graph: "GraphProto") -> "Iterator[NodeProto]":
    """Yield the nodes that take rows of something by `input_ids`, whatever their shape became."""
    same = {_IDS}
    for node in graph.node:  # in topological order
        if node.op_type in _SAME_IDS and node.input[0] in same:
            same.update(node.output)
        axis = next((part.i for part in node.attribute if part.name == "axis"), 0)
        if node.op_type == "Gather" and node.input[1] in same and axis == 0:
            yield node
