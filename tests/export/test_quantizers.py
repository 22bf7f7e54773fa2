from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.export.quantizers import AUTO, NONE, QUANTIZERS, describe_quantizers, methods
from kdc.export.quantizers.situation import Situation
from tests.student import make_task, tiny_examples, tiny_model


def test_none_is_the_exported_file(fp32: Path, tmp_path: Path) -> None:
    rows = tiny_examples(tiny_model("Bert", 3), make_task(), 4, seed=3)
    QUANTIZERS[NONE].quantize(fp32, tmp_path / "copy.onnx", Situation(rows))
    assert (tmp_path / "copy.onnx").read_bytes() == fp32.read_bytes()


def test_auto_means_every_method_that_makes_our_file_smaller() -> None:
    """Those for other runtimes want another graph, and are asked for by name."""
    assert methods(AUTO) == ["fp16", "int8-dynamic", "int8-embeddings4", "int4"]
    assert all(methods(name) == [name] for name in QUANTIZERS)
    with pytest.raises(KdcError, match=r"'int8-dynamc'.*int8-dynamic"):
        methods("int8-dynamc")


def test_the_list_names_every_method_and_auto() -> None:
    columns, rows = describe_quantizers()
    assert [row[0] for row in rows] == [*QUANTIZERS, AUTO]
    assert all(len(row) == len(columns) and all(row) for row in rows)
