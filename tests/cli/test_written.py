import json
from pathlib import Path

import pytest

import kdc.compress.files as files
from kdc.cli.console import Terminal
from tests.commands import kdc
from tests.faults import full_disk_at
from tests.onnx_model import FACTS, make_model


def leave(*_: object) -> None:
    """What becomes of a table whose reader has gone."""
    raise BrokenPipeError


def bench_here(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Go where there is a model to measure."""
    make_model(folder / "m.onnx", FACTS)
    patch.chdir(folder)


def test_files_are_written_though_the_reader_of_the_tables_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: `kdc bench --json b.json --html b.html | head -1` measured and kept nothing."""
    bench_here(tmp_path, monkeypatch)
    monkeypatch.setattr(Terminal, "table", leave)
    words = ("--seconds", "0.05", "--length", "8")
    kdc("bench", "m.onnx", *words, "--json", "b.json", "--html", "b.html")
    assert json.loads(Path("b.json").read_text())["format"] == "kdc.bench/1"
    assert "m.onnx" in Path("b.html").read_text()
    kdc("bench", "m.onnx", *words, "--json", "-", "--html", "other.html")
    assert "m.onnx" in Path("other.html").read_text()


@pytest.mark.parametrize("full", ["b.json", "b.html"])
def test_what_was_measured_is_told_though_the_disk_became_full(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: minutes of measuring, then one sentence about the disk and no figure at all."""
    bench_here(tmp_path, monkeypatch)
    monkeypatch.setattr(files, "_sync_file", full_disk_at(full))
    words = ("--seconds", "0.05", "--length", "8", "--json", "b.json", "--html", "b.html")
    done = kdc("bench", "m.onnx", *words)
    assert done.exit_code == 1 and "p50 ms" in done.stdout
    assert done.stderr.splitlines()[-1].startswith(f"kdc: cannot write {full}: the disk is full")
    assert ("page: b.html" in done.stderr) == (full != "b.html")
    assert [path.exists() for path in map(Path, ("b.json", "b.html"))] == [
        full != "b.json",
        full != "b.html",
    ]


def test_a_full_disk_is_told_though_the_reader_of_the_tables_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that reads the file afterwards finds none, and would not know why."""
    bench_here(tmp_path, monkeypatch)
    monkeypatch.setattr(Terminal, "table", leave)
    monkeypatch.setattr(files, "_sync_file", full_disk_at("b.json"))
    done = kdc("bench", "m.onnx", "--seconds", "0.05", "--length", "8", "--json", "b.json")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("kdc: cannot write b.json: the disk is full")
