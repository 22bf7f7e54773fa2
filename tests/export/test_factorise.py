from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError
from kdc.export.factorise import factorise, factors, numerical_rank, trained_rank
from kdc.export.onnx_file import save_model
from kdc.export.session import open_session
from kdc.export.word_table import cut_vocabulary, word_tables
from tests.student import FAMILIES

ROWS = 128


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def product(rank: int, rows: int = 500, width: int = 64) -> Array:
    """A table as a student trained at a rank has it: a product, rounded to float32."""
    u, w = random(rows, rank).astype(np.float64), random(rank, width, seed=1).astype(np.float64)
    return (u @ w).astype(np.float32)


def table_of(model: onnx.ModelProto) -> Array:
    (table,) = word_tables(model, ROWS)
    return np.asarray(numpy_helper.to_array(table.tensor))


def set_table(model: onnx.ModelProto, values: Array) -> None:
    (table,) = word_tables(model, ROWS)
    table.tensor.CopyFrom(numpy_helper.from_array(values, table.tensor.name))


def answers(model: onnx.ModelProto, path: Path) -> Array:
    save_model(model, path)
    ids = np.random.default_rng(1).integers(5, ROWS, (4, 9))
    return open_session(path).run_batch(ids, np.ones_like(ids), np.zeros_like(ids))


class TestRank:
    @pytest.mark.parametrize("rank", [1, 7, 63, 64])
    def test_a_product_has_the_rank_it_was_made_of(self, rank: int) -> None:
        """Bug: rounding to float32 counts as rank, and no student trained at R is found."""
        assert numerical_rank(product(rank)) == rank

    def test_few_rows_or_a_weak_direction_change_nothing(self) -> None:
        """Bug: a direction a thousand times weaker than the first counts as rounding."""
        assert numerical_rank(product(7)[:30]) == 7
        steep = random(500, 64) * np.logspace(0, -4, 64).astype(np.float32)
        assert numerical_rank(steep) == 64
        assert numerical_rank(np.zeros((9, 4), np.float32)) == 0

    def test_it_is_found_in_a_graph_only_where_the_factors_are_smaller(
        self, family_folder: Callable[[str], Path]
    ) -> None:
        """Bug: every plain student's table is replaced by two that are larger."""
        model = onnx.load(family_folder("Bert") / "model.onnx")
        assert trained_rank(model, ROWS) is None
        set_table(model, product(6, ROWS, 32))
        assert trained_rank(model, ROWS) == 6
        set_table(model, product(26, ROWS, 32))
        assert 26 * (ROWS + 32) > ROWS * 32 > 25 * (ROWS + 32)
        assert trained_rank(model, ROWS) is None


class TestFactors:
    @pytest.mark.parametrize("rank", [1, 5, 27])
    def test_no_other_matrix_of_that_rank_is_nearer(self, rank: int) -> None:
        """Eckart-Young: what is lost are the singular values that were left out."""
        table = random(200, 32)
        narrow, widen = factors(table, rank)
        assert (narrow.shape, widen.shape) == ((200, rank), (rank, 32))
        assert narrow.dtype == widen.dtype == np.float32
        u, s, v = np.linalg.svd(table, full_matrices=False)
        by_hand = (u[:, :rank] * s[:rank]) @ v[:rank]
        np.testing.assert_allclose(narrow @ widen, by_hand, atol=2e-5)
        np.testing.assert_allclose(np.square(narrow).mean(axis=0), 1.0, rtol=1e-4)

    def test_counts_keep_frequent_rows_better(self) -> None:
        """Bug: rows that no text uses decide which directions are kept."""
        table = random(200, 32)
        counts = np.zeros(200, np.int64)
        counts[:20] = 10_000
        plain, weighted = (np.matmul(*factors(table, 8, given)) for given in (None, counts))
        lost = [np.square(table[:20] - found[:20]).sum() for found in (plain, weighted)]
        assert lost[1] < 0.9 * lost[0]
        root = np.sqrt(counts + 1.0)[:, None]
        _, _, v = np.linalg.svd(root * table, full_matrices=False)
        np.testing.assert_allclose(weighted, table @ v[:8].T @ v[:8], atol=2e-5)

    def test_a_table_of_a_lower_rank_still_is_factorised(self) -> None:
        """Bug: a singular value of 0 is divided by, and the rows become NaN."""
        table = np.zeros((50, 8), np.float32)
        table[:, 2] = np.arange(50)
        np.testing.assert_allclose(np.matmul(*factors(table, 3)), table, atol=1e-5)

    @pytest.mark.parametrize("rank", [-1, 0, 32, 200])
    def test_a_rank_that_saves_nothing_is_refused(self, rank: int) -> None:
        with pytest.raises(KdcError, match=f"200 x 32 become no smaller at rank {rank}: .* 27"):
            factors(random(200, 32), rank)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_graph_with_factors_answers_as_one_with_their_product(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Bug: in one family's graph the narrow rows go on to where wide ones are wanted."""
    model = onnx.load(family_folder(family) / "model.onnx")
    full = table_of(model)
    nodes = len(model.graph.node)
    kept = factorise(model, 5, ROWS)
    onnx.checker.check_model(model, full_check=True)
    assert len(model.graph.node) == nodes + 1
    narrow = table_of(model)
    (widen,) = [
        numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.name.endswith(".widen")
    ]
    assert [len(narrow), *widen.shape] == [ROWS, 5, full.shape[1]]
    lost = np.square(full - narrow @ widen).sum() / np.square(full).sum()
    assert kept == pytest.approx(1 - lost, abs=1e-5)
    assert 0.2 < kept < 0.9
    plain = onnx.load(family_folder(family) / "model.onnx")
    set_table(plain, narrow @ widen)
    found, wanted = answers(model, tmp_path / "a.onnx"), answers(plain, tmp_path / "b.onnx")
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_no_two_nodes_and_no_two_values_get_one_name() -> None:
    """Bug: an exporter's nodes carry the names of their outputs, and the model does not load."""
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "length", 8])
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"], name="x"),
        helper.make_node("Gather", ["table", "input_ids"], ["table.widen"], name="x.narrow"),
        helper.make_node("Add", ["x", "table.widen"], ["y"], name="y"),
    ]
    weights = [numpy_helper.from_array(random(ROWS, 8), "table")]
    graph = helper.make_graph(nodes, "test", [ids], [out], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    factorise(model, 3, ROWS)
    onnx.checker.check_model(model, full_check=True)
    onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names) == 5


def test_a_student_trained_at_a_rank_is_factorised_exactly(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Bug: the export of a student trained at a rank loses accuracy, or is no smaller."""
    model = onnx.load(family_folder("Bert") / "model.onnx")
    set_table(model, product(6, ROWS, 32))
    wanted, size = answers(model, tmp_path / "a.onnx"), (tmp_path / "a.onnx").stat().st_size
    assert factorise(model, 6, ROWS) == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(answers(model, tmp_path / "b.onnx"), wanted, rtol=1e-4, atol=1e-4)
    saved = size - (tmp_path / "b.onnx").stat().st_size
    assert saved == pytest.approx(4 * (ROWS * 32 - 6 * (ROWS + 32)), abs=400)


def test_the_vocabulary_is_cut_before_and_after_alike(
    family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """Bug: of the two ways to make the table smaller, only one works at a time."""
    kept = np.arange(0, ROWS, 2)
    one, other = (onnx.load(family_folder("Bert") / "model.onnx") for _ in range(2))
    for model in (one, other):
        set_table(model, product(6, ROWS, 32))
    cut_vocabulary(one, kept, ROWS)
    factorise(one, 6, len(kept))
    factorise(other, 6, ROWS)
    cut_vocabulary(other, kept, ROWS)
    ids = np.random.default_rng(2).integers(3, len(kept), (3, 7))
    logits = []
    for name, model in (("one", one), ("other", other)):
        save_model(model, tmp_path / f"{name}.onnx")
        session = open_session(tmp_path / f"{name}.onnx")
        logits.append(session.run_batch(ids, np.ones_like(ids), np.zeros_like(ids)))
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-4, atol=1e-4)
