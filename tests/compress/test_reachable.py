"""A recipe that is run elsewhere than where its run was."""

from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.reachable import reachable
from tests.tiny import Recorder


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a student's recipe, seen from a folder beside that of its run."""
    for name in ("run/student", "run/teacher", "run/corpus", "here/here"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("run/table.csv", "here/own.csv"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "here")
    return "../run/student/recipe.toml"


def test_what_is_here_or_needs_no_file_stays_as_it_is(recipe: str) -> None:
    options = {"teacher": ["minilm", "here"], "data": "own.csv", "dev": None, "seed": 3}
    assert reachable(options, recipe, Recorder()) == options
    for name in ("phone-commands", "hf:glue/sst2"):
        assert reachable({"data": name}, recipe, Recorder()) == {"data": name}


def test_what_lies_around_the_students_folder_is_found(recipe: str, tmp_path: Path) -> None:
    options = {"teacher": ["minilm", "teacher"], "data": "table.csv", "corpus": "corpus"}
    run, heard = tmp_path / "run", Recorder()
    assert reachable(options, recipe, heard) == {
        "teacher": ["minilm", str(run / "teacher")],
        "data": str(run / "table.csv"),
        "corpus": str(run / "corpus"),
    }
    assert reachable({"student": "teacher"}, recipe, heard) == {"student": str(run / "teacher")}
    for name in ("3x384", "bert-tiny", "gone"):
        assert reachable({"student": name}, recipe, heard) == {"student": name}
    one = reachable({"teacher": "teacher"}, recipe, heard)
    assert one == {"teacher": str(run / "teacher")}
    assert not heard.said


@pytest.mark.parametrize("option", ["data", "dev", "unlabelled", "corpus", "labels"])
@pytest.mark.parametrize("name", ["gone", "x" * 300])
def test_a_file_that_is_nowhere_is_named_with_its_option(
    option: str, name: str, recipe: str
) -> None:
    """Bug: a sentence about the data, as if the user had named them; or no name for a file."""
    told = f"recipe.toml: its run had --{option} {name}, .* name it with --{option}"
    with pytest.raises(KdcError, match=told):
        reachable({option: name}, recipe, Recorder())


def test_a_teacher_that_is_no_folder_may_be_on_the_hub(recipe: str) -> None:
    """Bug: "check the network", although a folder was meant that is elsewhere."""
    heard = Recorder()
    assert reachable({"teacher": ["bert"]}, recipe, heard) == {"teacher": ["bert"]}
    assert "teacher bert is no folder here" in heard.said[0] and "Hub id" in heard.said[0]
