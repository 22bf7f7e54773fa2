from pathlib import Path

import pytest

from kdc.compress.data.delimited import read_csv, read_tsv
from kdc.compress.data.table import Table
from kdc.compress.errors import KdcError


def _csv(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return read_csv(path)


def _tsv(tmp_path: Path, text: str) -> Table:
    path = tmp_path / "a.tsv"
    path.write_text(text, encoding="utf-8", newline="")
    return read_tsv(path)


def test_csv_keeps_commas_quotes_and_breaks_and_counts_file_lines(tmp_path: Path) -> None:
    """After a text of two lines, every error named a line too early."""
    table = _csv(tmp_path, 'text,label\r\n"a, ""b""\r\nc",x\r\n\r\nplain,y\r\n')
    assert [list(column) for column in table.columns] == [['a, "b"\r\nc', "plain"], ["x", "y"]]
    assert list(table.lines) == [2, 5]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiter_is_the_headers(tmp_path: Path, delimiter: str) -> None:
    """European spreadsheets write semicolons, and their texts hold commas."""
    text = "text#label\na, b; c#x\n" if delimiter == "\t" else "text#label\n'a'#x\n"
    table = _csv(tmp_path, text.replace("#", delimiter))
    assert table.header == ("text", "label")
    assert [column[0] for column in table.columns][1] == "x"


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_a_line_that_names_the_delimiter_is_none_of_the_table(tmp_path: Path, line: str) -> None:
    """Excel reads and writes it; it was taken for a header of one column."""
    table = _csv(tmp_path, f"{line}a, text;a, label\nx;y\n")
    assert table.header == ("a, text", "a, label") and list(table.lines) == [3]
    with pytest.raises(KdcError, match=r"a\.csv, line 3 has 1 field, but the header has 2"):
        _csv(tmp_path, f"{line}text;label\nx\n")


def test_rows_of_nothing_but_delimiters_are_no_rows(tmp_path: Path) -> None:
    """Spreadsheets leave them at the end; they were rows with an empty label."""
    assert len(_csv(tmp_path, "text,label\na,x\n,\n,\n")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv is empty: name a table with a header"),
        ("\n\n", "a.csv is empty"),
        ("text,label\n", "has a header but no rows"),
        ("text,label\na,x\nb,c,y\n", "line 3 has 3 fields, but the header has 2"),
        ('text,label\n"a\nb",x\nc\n', "line 4 has 1 field, but the header has 2"),
        ('text,label\n"a" b,x\n', "begins on line 2: a quotation is broken"),
        ('text,label\na,x\n"b,y\nc,z\n', "begins on line 3: a quotation is broken"),
        ('text,label\na,x\n"' + "b,y\n" * 50_000, "begins on line 3: .* over 100,000 characters"),
    ],
)
def test_broken_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """A lenient reader turns an unbalanced quote into one endless text, without a word."""
    with pytest.raises(KdcError, match=message):
        _csv(tmp_path, text)


def test_tsv_quotation_marks_are_letters(tmp_path: Path) -> None:
    """GLUE's texts open quotations that they never close; a CSV reader merged whole rows."""
    table = _tsv(tmp_path, 'sentence\tlabel\n"open\t1\nclosed"\t0\nhe said "no"\t1\n')
    assert list(table.columns[0]) == ['"open', 'closed"', 'he said "no"']
    assert list(table.lines) == [2, 3, 4]


def test_tsv_quoted_throughout_is_unquoted(tmp_path: Path) -> None:
    """What pandas writes with `sep="\\t"` kept its doubled quotation marks."""
    table = _tsv(tmp_path, 'text\tlabel\n"he said ""no"""\tx\nplain\ty\n')
    assert list(table.columns[0]) == ['he said "no"', "plain"]


def test_tsv_text_with_a_break_inside_is_one_row(tmp_path: Path) -> None:
    table = _tsv(tmp_path, 'text\tlabel\n"two\nlines and a\ttab"\tx\nplain\ty\n')
    assert list(table.columns[0]) == ["two\nlines and a\ttab", "plain"]
    assert list(table.lines) == [2, 4]


def test_ragged_tsv_is_named_with_its_line_despite_quotes(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match="line 4 has 3 fields, but the header has 2"):
        _tsv(tmp_path, 'text\tlabel\n"open\tx\na "b" c\tx\na\tb\tx\n')


def test_only_line_feeds_end_a_row(tmp_path: Path) -> None:
    """`str.splitlines` also cuts at U+2028 and U+0085, which stand inside real texts."""
    text = "a\u2028b\u0085c\x0bd"
    assert list(_tsv(tmp_path, f"text\tlabel\r\n{text}\tx\r\n").columns[0]) == [text]
    assert list(_csv(tmp_path, f"text,label\n{text},x\n").columns[0]) == [text]


def test_cola_has_no_header(tmp_path: Path) -> None:
    """Its first sentence was taken for the names of the columns, and lost."""
    table = _tsv(tmp_path, "gj04\t1\t\tGood.\ngj04\t0\t*\tBad good.\n")
    assert table.header == ("source", "label", "mark", "sentence")
    assert list(table.columns[3]) == ["Good.", "Bad good."]
    assert list(table.lines) == [1, 2]
