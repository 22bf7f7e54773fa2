import os
from pathlib import Path

import pytest

from kdc.export.public_names import public_name

HUB = [("textattack/bert-base-uncased-SST-2", 1), ("minilm", 1), ("phone-commands", 0)]
HUB += [("hf:nyu-mll/glue/sst2", 0), ("hf:glue/sst2", 0), ("hf:imdb", 0), ("3x384", 0)]


@pytest.mark.parametrize(("name", "slashes"), HUB)
def test_a_name_of_the_hub_stays_whole(name: str, slashes: int, tmp_path: Path) -> None:
    """Bug: bert-base-uncased-SST-2 is many people's, and sst2 is no data set of the Hub."""
    assert public_name(name, tmp_path / "student", slashes) == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/home/me/client/teacher/", "teacher"),
        ("./client/rows.csv", "rows.csv"),
        ("../client", "client"),
        ("~/client/rows.csv", "rows.csv"),
        ("work/client/teacher", "teacher"),
        ("hf:/home/me/client/rows", "hf:rows"),
        ("hf:./client/rows", "hf:rows"),
        ("hf:a/b/c/rows", "hf:rows"),
    ],
)
def test_a_path_tells_its_last_part_alone(name: str, told: str, tmp_path: Path) -> None:
    """The folders above it say who made it, for whom and on which machine."""
    assert public_name(name, tmp_path / "student", 1) == told


def test_data_are_a_file_unless_they_begin_with_hf(tmp_path: Path) -> None:
    """client/rows.csv is a file that has been moved since, where owner/model is a teacher."""
    assert public_name("client/rows.csv", tmp_path / "student") == "rows.csv"


def test_a_folder_that_looks_like_a_name_of_the_hub_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for kdc distill; the run may have been started above the student's folder, not here."""
    (tmp_path / "client" / "teacher").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    student = tmp_path / "students" / "of" / "one"
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert public_name("client/teacher", student, 1) == "teacher"
    assert public_name("client/teacher", Path(os.sep), 1) == "client/teacher"
    monkeypatch.chdir(tmp_path)
    assert public_name("client/teacher", Path(os.sep), 1) == "teacher"
