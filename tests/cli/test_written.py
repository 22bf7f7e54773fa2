import json
from pathlib import Path

import pytest

from kdc.cli.console import Terminal
from tests.commands import kdc
from tests.onnx_model import FACTS, make_model


def test_files_are_written_though_the_reader_of_the_tables_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: `kdc bench --json b.json --html b.html | head -1` measured and kept nothing."""

    def leave(*_: object) -> None:
        raise BrokenPipeError

    make_model(tmp_path / "m.onnx", FACTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Terminal, "table", leave)
    words = ("--seconds", "0.05", "--length", "8")
    kdc("bench", "m.onnx", *words, "--json", "b.json", "--html", "b.html")
    assert json.loads(Path("b.json").read_text())["format"] == "kdc.bench/1"
    assert "m.onnx" in Path("b.html").read_text()
    kdc("bench", "m.onnx", *words, "--json", "-", "--html", "other.html")
    assert "m.onnx" in Path("other.html").read_text()
