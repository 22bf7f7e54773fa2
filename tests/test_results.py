"""The README's table of results and the measurements behind it."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from tests.bench_documents import document, write

ROOT = Path(__file__).parents[1]


@pytest.fixture
def results() -> ModuleType:
    """The script, loaded afresh: tests point it at folders of their own."""
    spec = importlib.util.spec_from_file_location("results", ROOT / "docs" / "results.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def elsewhere(results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A README with markers, and a folder of results without any."""
    monkeypatch.setattr(results, "README", tmp_path / "README.md")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    for each in (results.table, results.picture):
        monkeypatch.setattr(each, "__defaults__", (tmp_path / "results",))
    marked = f"# kdc\n\n{results.START}old\n{results.END}\n\nend\n"
    (tmp_path / "README.md").write_text(marked)
    return tmp_path


def test_the_readme_tells_what_was_measured(results: ModuleType) -> None:
    """A figure that was measured again and not written, or written and not measured."""
    written = (ROOT / "README.md").read_text(encoding="utf-8")
    assert written == results.readme(), "run python docs/results.py"


def test_the_picture_shows_what_was_measured(results: ModuleType) -> None:
    """A picture of last month's files above a table of today's."""
    drawn = (ROOT / "docs" / "results.svg").read_text(encoding="utf-8")
    assert drawn == results.picture(), "run python docs/results.py"
    ElementTree.fromstring(drawn)


def test_kept_measurements_are_small_and_hold_no_text_of_the_data() -> None:
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        value = json.loads(path.read_text(encoding="utf-8"))
        assert path.stat().st_size < 200_000
        assert not any(run["samples"] for run in value["runs"])
        against = [other for one in value["quality"] for other in one["against"].values()]
        assert not any(other["flipped"] for other in against)


def test_without_measurements_there_is_no_table(results: ModuleType, elsewhere: Path) -> None:
    assert results.table() == results.picture() == ""
    assert results.readme() == f"# kdc\n\n{results.START}{results.END}\n\nend\n"


def test_a_kept_measurement_is_in_the_table(results: ModuleType, elsewhere: Path) -> None:
    results.keep("first", [write(elsewhere / "bench.json", document())])
    kept = json.loads((elsewhere / "results" / "first.json").read_text())
    assert "wake me up" not in json.dumps(kept) and not kept["runs"][0]["samples"]
    text = results.readme()
    assert "| \\* | small | 88.00 (86.0 to 90.0) | 3.60 |" in text
    assert "| small | foreign.onnx | host | 128 | CPU time | 6.000 (5.880 to 6.120) |" in text
    assert "2026-11-21, Some CPU, 2 cores" in text and "old" not in text
    assert "`kdc bench small/phone large/phone foreign.onnx`" in text
    (elsewhere / "README.md").write_text(text)
    assert results.readme() == text


def test_several_measurements_are_one_table(results: ModuleType, elsewhere: Path) -> None:
    results.keep("first", [write(elsewhere / "a.json", document(versus=[]))])
    results.keep("second", [write(elsewhere / "b.json", document(date="2027-01-01", versus=[]))])
    assert results.table().count("| small |") == 1
    assert results.table().count("\n* 202") == 2


def test_a_path_of_this_machine_is_refused(results: ModuleType, elsewhere: Path) -> None:
    command = "kdc bench /home/me/secret/phone"
    with pytest.raises(SystemExit, match="/home/me/secret/phone"):
        results.keep("first", [write(elsewhere / "a.json", document(command=command))])
    assert not (elsewhere / "results").exists()


def test_measurements_without_a_place_in_the_readme_are_told(
    results: ModuleType, elsewhere: Path
) -> None:
    (elsewhere / "README.md").write_text("# kdc\n")
    assert results.readme() == "# kdc\n"
    results.keep("first", [write(elsewhere / "bench.json", document())])
    with pytest.raises(SystemExit, match="<!-- results -->"):
        results.readme()
