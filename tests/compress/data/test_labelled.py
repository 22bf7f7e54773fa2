from datetime import date

import pytest

from kdc.compress.data.columns import Columns
from kdc.compress.data.labelled import take
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError


def _take(texts: list[object], labels: list[object]) -> list[tuple[str, str]]:
    lines = range(2, len(texts) + 2)
    rows = take(Table("a.jsonl", ("text", "label"), [texts, labels], lines), Columns(0, None, 1))
    return list(zip(rows.texts, rows.labels, strict=True))


def test_cells_are_what_a_csv_file_would_say() -> None:
    """The same table as CSV and as JSONL must give the same classes."""
    rows = _take([" a ", 7, 0.5, "b"], [True, 1, 1.5, " x "])
    assert rows == [(" a ", "true"), ("7", "1"), ("0.5", "1.5"), ("b", "x")]


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("a", "", "line 3: the label is empty"),
        ("a", "  ", "line 3: the label is empty"),
        ("a", None, "line 3: 'label' is missing"),
        (None, "x", "line 3: 'text' is missing"),
        (float("nan"), "x", "line 3: 'text' is NaN, so missing: fill it in or leave"),
        ("a", float("nan"), "line 3: 'label' is NaN, so missing: fill it in or leave"),
        (["a"], "x", "line 3: 'text' is a list, not a text"),
        (b"a", "x", "line 3: 'text' is a bytes, not a text"),
        (date(2020, 1, 1), "x", "line 3: 'text' is a date, not a text"),
        ("\ud800", "x", "line 3: 'text' holds half a surrogate pair"),
        ("a", "\udfff", "line 3: 'label' holds half a surrogate pair"),
        (
            "a" * 100_001,
            "x",
            r"line 3: .* 100,001 characters \(limit 100,000\).*unbalanced quote.* to be shortened",
        ),
    ],
)
def test_useless_cell_is_named_with_its_line(text: object, label: object, message: str) -> None:
    """Half a surrogate pair made the tokenizer fail hours into a run; NaN was the text `nan`."""
    with pytest.raises(KdcError, match=message):
        _take(["fine", text], ["x", label])


def test_all_empty_labels_are_counted_at_once() -> None:
    """Bug: each was told by a run of its own, line after line."""
    with pytest.raises(KdcError, match=r"line 2: the label is empty \(and so is that of 1 other r"):
        _take(["a", "b", "c"], ["", "x", " "])
    with pytest.raises(
        KdcError, match=r"\(and so are those of 2 other rows\): fill it in or leave"
    ):
        _take(["a", "b", "c"], ["", "", " "])


def test_the_longest_text_is_taken() -> None:
    assert len(_take(["a" * 100_000], ["x"])[0][0]) == 100_000
