from pathlib import Path

import pytest

from kdc.compress.data.formats import READERS, read_table
from kdc.compress.errors import KdcError


@pytest.mark.parametrize("suffix", [suffix for suffix in READERS if suffix != ".parquet"])
def test_every_text_format_says_when_it_is_empty(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix.upper()}"
    path.write_text("")
    with pytest.raises(KdcError, match="is empty"):
        read_table(path)


def test_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("")
    with pytest.raises(KdcError, match=r"ends in \.csv, \.tsv, \.jsonl, \.ndjson or \.parquet"):
        read_table(path)


@pytest.mark.parametrize("suffix", READERS)
def test_missing_file_is_said_alike_for_all(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(KdcError, match="there is no file"):
        read_table(tmp_path / f"a{suffix}")
