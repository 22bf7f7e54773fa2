from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import read_manifest, write_manifest, write_text


@pytest.mark.parametrize(
    ("wanted", "found", "sentence"),
    [
        (
            "kdc.student/1",
            "kdc.phone/1",
            "{} is a phone folder: give the student folder that it came from",
        ),
        (
            "kdc.phone/1",
            "kdc.student/1",
            "{} is a student folder: run kdc export on it first, and give what that writes",
        ),
        ("kdc.tokens/1", "kdc.student/1", "{} is a student folder: give a folder of token shards"),
        ("kdc.phone/1", "kdc.phone/2", "{} is no thing this version reads: 'kdc.phone/2', wanted"),
        ("kdc.phone/1", "theirs/1", "{} is no thing this version reads: 'theirs/1', wanted"),
    ],
)
def test_a_folder_of_another_kind_is_called_by_its_name(
    wanted: str, found: str, sentence: str, tmp_path: Path
) -> None:
    """Bug: "no student folder this version reads: 'kdc.phone/1'" says nothing of what to do."""
    write_text(tmp_path / "file", "x")
    write_manifest(tmp_path, found, {})
    with pytest.raises(KdcError) as caught:
        read_manifest(tmp_path, wanted, "thing")
    assert str(caught.value).startswith(sentence.format(tmp_path))


def test_a_folder_that_is_not_there_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    for form, end in (
        ("kdc.phone/1", "s: kdc export makes one, or give another path"),
        ("x/1", "s"),
    ):
        with pytest.raises(KdcError) as caught:
            read_manifest(tmp_path / "s", form, "thing")
        assert str(caught.value).endswith(end)
