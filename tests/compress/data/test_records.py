import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdc.compress.data.columns import Names, find_columns
from kdc.compress.data.records import read_jsonl, read_parquet
from kdc.compress.errors import KdcError


def test_jsonl_columns_are_the_first_objects_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a\\u2028b", "label": 1}\n\n{"label": null, "other": 2}\n')
    table = read_jsonl(path)
    assert table.header == ("text", "label")
    assert list(table.columns) == [["a\u2028b", None], [1, None]]
    assert list(table.lines) == [1, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"text": "a"}\n{"text": \n', "line 2 is not valid JSON"),
        ('{"text": "a"}\n["a"]\n', "line 2 holds no JSON object"),
        ("[" * 100_000, "line 1 is not valid JSON"),
        ('{"a": ' + "9" * 5000 + "}", "line 1 is not valid JSON"),
    ],
)
def test_broken_jsonl_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """Deep nesting was a RecursionError and a number of 5,000 digits a ValueError."""
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(KdcError, match=message):
        read_jsonl(path)


def test_parquet_leaves_nested_columns_out(tmp_path: Path) -> None:
    """A column of embeddings was turned into a million Python lists that nobody reads."""
    path = tmp_path / "a.parquet"
    label = pa.array(["x", "y"]).dictionary_encode()
    columns = {"text": ["a", "b"], "label": label, "vector": [[0.5], [1.5]], "score": [0.5, None]}
    pq.write_table(pa.table(columns), path)
    table = read_parquet(path)
    assert table.header == ("text", "label", "score")
    assert list(table.columns) == [["a", "b"], ["x", "y"], [0.5, None]]
    assert table.where(1) == f"{path}, row 2"


def test_columns_of_other_types_are_named_where_one_is_missed(tmp_path: Path) -> None:
    """Bug: a header is told that lacks the very column that the user sees in the file."""
    path, texts = tmp_path / "a.parquet", pa.array(["a", "b"])
    pq.write_table(pa.table({"text": texts.cast(pa.binary()), "label": ["x", "y"]}), path)
    with pytest.raises(KdcError, match=r"has 'label'; of types that .*: 'text \(binary\)'$"):
        find_columns(read_parquet(path), Names())


def test_parquet_strings_of_every_kind_are_texts(tmp_path: Path) -> None:
    """Bug: what some writers call a string_view is no text, and the file has none."""
    path, texts = tmp_path / "a.parquet", ["a", "a text too long to lie inside of a view"]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        pq.write_table(pa.table({"text": pa.array(texts, kind)}), path)
        assert list(read_parquet(path).columns) == [texts]


def test_folder_called_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    """pyarrow makes a column out of `label=1/` in the path."""
    path = tmp_path / "label=1" / "a.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"text": ["a"]}), path)
    assert read_parquet(path).header == ("text",)


def test_damaged_parquet_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"] * 100}), path)
    data = path.read_bytes()
    for broken in (b"", b"PAR1", data[:-30], data[: len(data) // 2]):
        path.write_bytes(broken)
        with pytest.raises(KdcError, match="is no readable Parquet file"):
            read_parquet(path)


def test_missing_pyarrow_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(KdcError, match=r'pip install "kdc\[parquet\]"'):
        read_parquet(tmp_path / "a.parquet")
