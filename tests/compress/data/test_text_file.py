from pathlib import Path

import pytest

from kdc.compress.data.text_file import read_text
from kdc.compress.errors import KdcError


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """Excel's mark made the first column `\\ufefftext`, which nobody could name."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\nhi,a\n")
    assert read_text(path) == "text,label\nhi,a\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text\nfine\ncaf\xe9\n", r"a\.csv, line 3 is not UTF-8: .*`iconv -f CP1252 -t UTF-8"),
        (b"text\na\0b\n", r"a\.csv, line 2 holds a NUL byte"),
        ("text\nx\n".encode("utf-16"), r"is not UTF-8 but UTF-16: .*iconv -f UTF-16"),
    ],
)
def test_what_is_no_utf8_text_is_named_with_its_line(
    tmp_path: Path, data: bytes, message: str
) -> None:
    """A file of another encoding was a traceback, or texts full of wrong letters."""
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    with pytest.raises(KdcError, match=message):
        read_text(path)


def test_the_proposed_iconv_command_names_another_file(tmp_path: Path) -> None:
    """`iconv a > a` empties the file before it is read."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xe9")
    with pytest.raises(KdcError, match=r"> 'a\.utf8\.csv'`"):
        read_text(path)


def test_unreadable_path_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(KdcError, match=r"cannot read .*: Is a directory"):
        read_text(tmp_path)
