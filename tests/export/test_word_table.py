from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.export.onnx_file import save_model
from kdc.export.session import open_session
from kdc.export.word_table import cut_vocabulary, word_tables
from tests.student import FAMILIES

ROWS = 128
KEPT = np.array([0, 1, 2, 3, 4, *range(7, ROWS, 3)])


def answers(path: Path, ids: Array, mask: Array) -> Array:
    return open_session(path).run_batch(ids, mask, np.zeros_like(ids))


def padded_rows() -> tuple[Array, Array]:
    """Rows of kept tokens, two of them shorter than the others, and their mask."""
    ids = np.random.default_rng(0).choice(KEPT[5:], (4, 9))
    ids[:, 0] = 2
    mask = np.ones_like(ids)
    ids[2, 6:], mask[2, 6:] = 0, 0
    ids[3, 3:], mask[3, 3:] = 0, 0
    return ids, mask


def tables_of(model: onnx.ModelProto, rows: int) -> int:
    return sum(list(tensor.dims[:1]) == [rows] for tensor in model.graph.initializer)


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_tokens_give_the_same_logits_to_the_last_bit(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Bug: a family whose graph looks words up in another way is cut wrongly, or not at all."""
    full, path = family_folder(family) / "model.onnx", tmp_path / "cut.onnx"
    model = onnx.load(full)
    before = tables_of(model, ROWS)
    cut_vocabulary(model, KEPT, ROWS)
    onnx.checker.check_model(model, full_check=True)
    save_model(model, path)
    assert (tables_of(model, ROWS), tables_of(model, len(KEPT))) == (before - 1, 1)
    assert path.stat().st_size < full.stat().st_size
    ids, mask = padded_rows()
    assert np.array_equal(answers(path, np.searchsorted(KEPT, ids), mask), answers(full, ids, mask))


def graph_of(nodes: list[onnx.NodeProto], **tables: Array) -> onnx.ModelProto:
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(table, name) for name, table in tables.items()]
    graph = helper.make_graph(nodes, "test", [ids], [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def table_of(rows: int, width: int = 4, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def test_a_table_that_words_do_not_choose_from_stays_whole() -> None:
    """Bug: 128 positions, or the classes of 128 intents, are cut like a vocabulary of 128."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["wide"], to=TensorProto.INT32),
        helper.make_node("Unsqueeze", ["wide", "axis"], ["flat"]),
        helper.make_node("Gather", ["words", "flat"], ["x"]),
        helper.make_node("Gather", ["positions", "place"], ["p"]),
        helper.make_node("Add", ["x", "p"], ["logits"]),
    ]
    words, positions = table_of(ROWS), table_of(ROWS, seed=1)
    place, axis = np.array([3, 9]), np.array([1])
    model = graph_of(nodes, words=words, positions=positions, place=place, axis=axis)
    (table,) = word_tables(model, ROWS)
    assert table.tensor.name == "words"
    cut_vocabulary(model, KEPT, ROWS)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert np.array_equal(held["positions"], positions)
    assert np.array_equal(held["words"], words[KEPT])
    assert len(held) == 4


def test_a_table_that_is_used_twice_is_cut_once_and_kept_for_whoever_else_needs_it() -> None:
    """Bug: an output layer that shares the words' table loses its rows as well."""
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["x"]),
        helper.make_node("Gather", ["words", "input_ids"], ["y"]),
        helper.make_node("Add", ["x", "y"], ["z"]),
        helper.make_node("MatMul", ["words", "turn"], ["m"]),
        helper.make_node("Concat", ["z", "m"], ["logits"], axis=0),
    ]
    words = table_of(ROWS)
    model = graph_of(nodes, words=words, turn=table_of(4))
    cut_vocabulary(model, KEPT, ROWS)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert len(held) == 3
    assert np.array_equal(held["words"], words)
    names = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    assert len(names) == 1
    assert np.array_equal(held[names.pop()], words[KEPT])


@pytest.mark.parametrize("rows", [127, 4])
def test_a_graph_without_such_a_table_is_refused(rows: int) -> None:
    """Bug: nothing is cut, and the tokenizer's new ids read other words' rows."""
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["logits"], axis=0)]
    with pytest.raises(KdcError, match=f"no table of {rows} rows.*--vocab keep"):
        cut_vocabulary(graph_of(nodes, words=table_of(ROWS)), KEPT[:2], rows)


def test_columns_are_not_rows() -> None:
    """Bug: a Gather along the other axis of a square table is taken for a lookup of words."""
    nodes = [helper.make_node("Gather", ["words", "input_ids"], ["logits"], axis=1)]
    with pytest.raises(KdcError, match="no table of 4 rows"):
        cut_vocabulary(graph_of(nodes, words=table_of(4)), KEPT[:2], 4)
