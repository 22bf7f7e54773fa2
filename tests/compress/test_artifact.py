import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kdc.compress.arrays import Array
from kdc.compress.artifact import Student, read_student, save_token_counts
from kdc.compress.errors import KdcError
from kdc.compress.files import sha256
from tests.student import make_student, remake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("made") / "student")


def with_counts(folder: Path, copy: Path, **arrays: Array) -> Student:
    shutil.copytree(folder, copy)
    np.savez_compressed(copy / "token_counts.npz", allow_pickle=True, **arrays)
    remake(copy)
    return read_student(copy)


def test_token_counts_are_of_every_row_and_the_same_tokens_give_the_same_bytes(
    tmp_path: Path,
) -> None:
    """Bug: tokens above the last that occurs have no count."""
    digests = []
    for _ in range(2):
        save_token_counts(tmp_path, np.array([3, 1, 3, 3], dtype=np.int32), 6)
        digests.append(sha256(tmp_path / "token_counts.npz"))
    assert digests[0] == digests[1]
    with np.load(tmp_path / "token_counts.npz") as arrays:
        assert arrays["counts"].tolist() == [0, 1, 0, 3, 0, 0]
        assert arrays["counts"].dtype == np.int64


def test_they_are_read_as_they_were_counted(folder: Path) -> None:
    student = read_student(folder)
    counts, calibration = student.token_counts(), student.calibration()
    assert counts is not None
    assert counts.shape == (128,)
    assert counts.sum() == len(calibration.tokens)
    assert counts[2] == len(calibration)  # [CLS], once a row


def test_a_folder_of_an_older_kdc_has_none_and_a_stray_file_is_not_read(
    folder: Path, tmp_path: Path
) -> None:
    """Bug: every student made so far is refused as incomplete; or a file without digest counts."""
    copy = shutil.copytree(folder, tmp_path / "s")
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["token_counts.npz"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert read_student(copy).token_counts() is None


HOSTILE: dict[str, dict[str, Array]] = {
    "short": {"counts": np.zeros(127, np.int64)},
    "wide": {"counts": np.zeros((128, 1), np.int64)},
    "negative": {"counts": np.full(128, -1)},
    "fractions": {"counts": np.zeros(128)},
    "words": {"counts": np.full(128, "a")},
    "pickle": {"counts": np.full(128, None)},
    "elsewhere": {"count": np.zeros(128, np.int64)},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_counts_that_make_no_sense_are_one_sentence(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    """Bug: the cut goes on with another vocabulary's counts, or a pickle runs."""
    student = with_counts(folder, tmp_path / "s", **HOSTILE[kind])
    with pytest.raises(KdcError, match=r"token_counts.npz is damaged"):
        student.token_counts()


def test_a_file_that_is_no_archive_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "s")
    (copy / "token_counts.npz").write_bytes(b"PK\x03\x04 not a zip")
    remake(copy)
    with pytest.raises(KdcError, match=r"token_counts.npz is damaged or no file of kdc's"):
        read_student(copy).token_counts()
