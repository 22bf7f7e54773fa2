"""The word embeddings of an ONNX graph as two factors: narrow rows, and a matrix that widens them.

A (V, E) table becomes Gather of (V, R) and MatMul with (R, E): V * R + R * E numbers (Acharya et
al. 2019, arXiv 1811.00641). Trained at that rank it is exact to rounding; else it is the nearest.
"""

from typing import TYPE_CHECKING

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.export.word_table import free_name, replace_table, word_tables

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # of a product's entries, each rounded once


def factorise(model: "ModelProto", rank: int, rows: int, counts: Array | None = None) -> float:
    """Replace the word embeddings by their best approximation of a rank, in place.

    Args:
        model: a graph of any exporter, its weights inside.
        rank: R, the width of a row that is stored.
        rows: V, the rows of the table.
        counts: (V,) how often each row is looked up: what is frequent is then kept better.
            None counts all rows alike.

    Returns:
        The share of the table's squared norm that is kept, 1 for an exact factorisation.

    Raises:
        KdcError: no table of word embeddings is found, or the rank is none that saves anything.
    """
    from onnx import numpy_helper

    shares = []
    for table in word_tables(model, rows):
        full = numpy_helper.to_array(table.tensor)
        narrow, widen = factors(full, rank, counts)
        shares.append(_share(full, narrow, widen))
        name = free_name(model.graph, f"{table.tensor.name}.widen")
        replace_table(model.graph, table, narrow)
        matrix = numpy_helper.from_array(widen, name)
        model.graph.initializer.append(matrix)
        for lookup in table.lookups:
            _widen(model.graph, lookup, matrix.name)
    return min(shares)


def factors(table: Array, rank: int, counts: Array | None = None) -> tuple[Array, Array]:
    """Factorise a (V, E) table by a truncated singular value decomposition (Eckart-Young).

    The columns of the narrow factor all have the same norm (under the weights): one scale a table
    then quantizes all of them equally well, and the matrix, which has a scale a column, carries
    the singular values.

    Returns:
        (V, R) and (R, E) float32.

    Raises:
        KdcError: R is below 1, or the factors would be no smaller than the table.
    """
    most = (table.size - 1) // sum(table.shape)
    if not 1 <= rank <= most:
        raise KdcError(
            f"word embeddings of {table.shape[0]:,} x {table.shape[1]} become no smaller at rank "
            f"{rank}: give --embedding-rank from 1 to {most}"
        )
    wide = table.astype(np.float64)
    weights = np.ones(len(wide)) if counts is None else np.sqrt(counts + 1.0)
    values, directions = _singular(weights[:, None] * wide)
    scale = values[:rank, None] / np.sqrt(len(wide))
    basis = directions[:rank]
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    narrow, widen = wide @ (basis * inverse).T, basis * scale
    return narrow.astype(np.float32), widen.astype(np.float32)


def numerical_rank(table: Array) -> int:
    """Return the least rank that gives a (V, E) float32 table to the rounding of its numbers.

    A table that was trained at rank R has R; any other has min(V, E).
    """
    values, _ = _singular(table.astype(np.float64))
    left = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1])  # the norm of what rank 0, 1, ... leaves out
    return int(np.count_nonzero(left > _ROUNDING * left[0]))


def trained_rank(model: "ModelProto", rows: int) -> int | None:
    """Return the rank at which a student's word embeddings were trained.

    Args:
        model: a graph of any exporter, its weights inside.
        rows: V, the rows of the table.

    Returns:
        None where the table is of full rank, its factors would be no smaller, or none is found.
    """
    from onnx import numpy_helper

    try:
        tables = [numpy_helper.to_array(table.tensor) for table in word_tables(model, rows)]
    except KdcError:  # nobody asked for factors
        return None
    rank = max(numerical_rank(table) for table in tables)
    saves = all(rank * sum(table.shape) < table.size for table in tables)
    return rank if rank and saves else None


def _singular(table: Array) -> tuple[Array, Array]:
    """Return the singular values (n,), falling, and the right singular vectors (n, E)."""
    _, values, directions = np.linalg.svd(np.linalg.qr(table, mode="r"), full_matrices=False)
    return values, directions


def _share(table: Array, narrow: Array, widen: Array) -> float:
    wide = table.astype(np.float64)
    lost = wide - narrow.astype(np.float64) @ widen.astype(np.float64)
    whole = float(np.square(wide).sum())
    return 1.0 - float(np.square(lost).sum()) / whole if whole else 1.0


def _widen(graph: "GraphProto", lookup: "NodeProto", matrix: str) -> None:
    """Put a MatMul behind a lookup, under the name that the rest of the graph reads."""
    from onnx import helper

    wide = lookup.output[0]
    narrow = free_name(graph, f"{wide}.narrow")
    place = list(graph.node).index(lookup)
    product = helper.make_node("MatMul", [narrow, matrix], [wide], name=free_name(graph, matrix))
    graph.node.insert(place + 1, product)
    lookup.output[0] = narrow
