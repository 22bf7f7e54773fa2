import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]
ROOT = Path(__file__).parents[2]
RECORDED = re.findall(
    r"^`(python benchmarks/.*)`$",
    (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


class Understood(Exception):
    """The arguments were read; the benchmark itself would take hours."""


@pytest.mark.parametrize("command", RECORDED)
def test_a_recorded_command_is_one_that_runs(
    command: str, benchmark_module: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: written without its quotes, a command ends in "argument --more: expected one argument";
    and an option that was renamed since stays in the record of what nobody can run again."""
    read = ArgumentParser.parse_args

    def parse_args(parser: ArgumentParser) -> Namespace:
        read(parser)
        raise Understood

    _, script, *arguments = shlex.split(command)
    monkeypatch.setattr("sys.argv", [script, *arguments])
    monkeypatch.setattr(ArgumentParser, "parse_args", parse_args)
    with pytest.raises(Understood):
        benchmark_module(Path(script).stem).main()


def test_there_are_recorded_commands() -> None:
    """A heading written otherwise would leave the test above with nothing to try."""
    assert len(RECORDED) > 10


def test_what_is_recorded_is_what_was_typed(
    benchmark_module: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words of one argument must stay together; folders of this machine stay untold."""
    record = benchmark_module("record")
    monkeypatch.setattr(record, "RESULTS", tmp_path / "RESULTS.md")
    typed = ["--more=--vocab keep --layout mmap", "--out", str(tmp_path / "my files"), "it's", "-v"]
    monkeypatch.setattr("sys.argv", [str(ROOT / "benchmarks" / "graph.py"), *typed])
    record.record("A table", ["| a |"])
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^`(.*)`$", text, re.MULTILINE)
    told = ["python", "benchmarks/graph.py", typed[0], "--out", "my files", *typed[3:]]
    assert shlex.split(command) == told
    assert str(tmp_path) not in text
