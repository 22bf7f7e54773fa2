import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from kdc.cli import console as module
from kdc.cli.console import Pace, Terminal, duration, visible
from kdc.compress.errors import KdcError
from kdc.compress.recipe import describe_recipes
from kdc.compress.students import describe_students


class Clock:
    """A clock that goes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize("text", ["[bold]loud[/bold]", "[/]", ":smile: [link=x]", "a\\[b]"])
def test_a_users_text_is_no_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`[/]` in a file name would be a crash, `[red]` in a label would vanish."""
    terminal = Terminal()
    terminal.say(text)
    terminal.table(text, ("name",), [(text,)])
    captured = capsys.readouterr()
    assert captured.err == f"{text}\n"
    assert captured.out.count(text) == 2


def test_a_users_text_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A label with an escape sequence in it could rewrite what stands on the screen."""
    terminal = Terminal()
    terminal.say("\x1b[2Jgone \udc80")
    terminal.table("\x1b]0;title\x07", ("name",), [("\x1b[31mred",)])
    captured = capsys.readouterr()
    assert "\x1b" not in captured.err + captured.out
    assert captured.err == "\\x1b[2Jgone \\udc80\n"
    assert visible("täglich 日本 🎉\nnext") == "täglich 日本 🎉\nnext"


def test_a_table_in_a_pipe_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [f"{index}-{'x' * 150}" for index in range(5)]
    Terminal().table("wide", [f"column {index}" for index in range(5)], [cells])
    line = next(line for line in capsys.readouterr().out.splitlines() if "0-x" in line)
    assert all(cell in line for cell in cells)


@pytest.mark.parametrize("screen", [80, 100])
def test_a_terminal_cuts_lines_between_words(screen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: `general-distilbert` and `arXiv` numbers in two pieces, with room for them beside."""
    from rich.console import Console

    tables = {"recipes": describe_recipes(), "students": describe_students()}
    shown = io.StringIO()
    console = Console(file=shown, width=screen, markup=False, highlight=False, emoji=False)
    monkeypatch.setattr(module, "_console", lambda to_errors: console)
    for name, (columns, rows) in tables.items():
        Terminal().table(name, columns, rows)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= screen
    words = {word for line in lines for word in line.split()}
    cells = [cell for _, rows in tables.values() for row in rows for cell in row]
    assert not {word for cell in cells for word in cell.split()} - words


def test_a_table_without_room_for_its_words_is_still_whole() -> None:
    """Bug: a width of 0 for a column, or an endless search for one."""
    assert module._widths(("a", "b"), [["x" * 50, "y" * 50]], 40) == ([None, None], False)
    assert module._widths(("a", "b"), [["xx yy", "y"], ["", ""]], 40) == ([5, 1], False)
    assert module._widths(("a", "b"), [["xx yy", "yyy"]], 12) == ([2, 3], False)
    assert module._widths(("a", "bb"), [["xx yy", "yyy"]], 11) == ([3, 3], True)
    assert module._widths(("a", "heading"), [["xx yy", "y y"]], 12) == ([3, 3], True)
    assert module._widths(("a", "b"), [["xx yy", "4.4 MB"]], 15) == ([2, 6], False)
    assert module._widths(("a",), [], 40) == ([1], False)


def test_json_on_standard_output_is_alone_there(capsys: pytest.CaptureFixture[str]) -> None:
    """`kdc bench --json - | jq` would fail on a table before the JSON."""
    terminal = Terminal(json_to="-")
    terminal.say("working")
    terminal.table("results", ("a",), [(1,)])
    terminal.result({"a": 1, "label": "é\udc80"})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": 1, "label": "é\udc80"}
    assert "results" in captured.err


def test_json_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(json_to=str(tmp_path / "deep" / "out.json")).result({"a": [1, 2]})
    assert json.loads((tmp_path / "deep" / "out.json").read_text()) == {"a": [1, 2]}
    Terminal().result({"a": 1})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("place", [".", "", "/", "/proc/x.json"])
def test_what_is_no_name_for_a_file_is_refused_before_any_work(place: str) -> None:
    """Bug: hours of training, and then an internal error of a rename onto a folder."""
    with pytest.raises(KdcError, match=r"--json .* no name for a file|cannot write /proc/x"):
        Terminal(False, place)


def test_quiet_says_nothing_but_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.say("working")
    with terminal.bar("steps", 10) as advance:
        advance(10)
    terminal.table("results", ("a",), [(1,)])
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "results" in captured.out


def test_lines_come_every_ten_seconds_with_rate_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of a long run must neither be silent nor have a line for each step."""
    with Terminal().bar("training", 400, done=100) as advance:
        for _ in range(200):
            clock.now += 0.125
            advance(1)
    # 8 a second since the start at 100: at 10 s 180 are done and 220 to go, at 20 s 260 and 140
    assert capsys.readouterr().err.splitlines() == [
        "training: 180/400, 8/s, 28 s left",
        "training: 260/400, 8/s, 18 s left",
        "training: 300/400, 8/s, 12 s left",
    ]


def test_the_end_of_long_work_is_told_once(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: "compare in turns: 1/1, ..., took 39 s" twice, where its one unit took so long."""
    with Terminal().bar("compare in turns", 1) as advance:
        clock.now += 20
        advance(1)
    assert capsys.readouterr().err == "compare in turns: 1/1, 0.05/s, took 20 s\n"


def test_short_work_leaves_no_lines(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().bar("evaluating", 10) as advance:
        clock.now += 9
        advance(10)
    assert capsys.readouterr().err == ""


def test_finished_work_says_how_long_it_took(clock: Clock) -> None:
    pace = Pace(60)
    assert str(pace) == "0/60"
    clock.now += 30
    pace.advance(60)
    assert str(pace) == "60/60, 2/s, took 30 s"
    assert str(Pace(0)) == "0/0"


@pytest.mark.parametrize(
    ("units", "seconds", "rate"),
    [(42_437, 10, "4,240"), (9_999, 10, "1,000"), (83, 10, "8.3"), (1, 24, "0.0417")],
)
def test_a_rate_is_a_number_that_people_read(
    clock: Clock, units: int, seconds: float, rate: str
) -> None:
    """Bug: 4.24e+03/s."""
    pace = Pace(units)
    clock.now += seconds
    pace.advance(units)
    assert f", {rate}/s, took" in str(pace)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3599.7, "1 h 00 min")],
)
def test_durations_carry(seconds: float, text: str) -> None:
    """59.6 s printed as `60 s`, and 3599.7 s as `60 min`, are wrong."""
    assert duration(seconds) == text


def test_a_terminal_gets_a_bar_and_lines_above_it() -> None:
    code = (
        "from kdc.cli.console import Terminal\n"
        "terminal = Terminal()\n"
        "with terminal.bar('[red] outer', 4) as advance:\n"
        "    with terminal.bar('inner', 2) as inner: inner(2)\n"
        "    terminal.say('said [/]')\n"
        "    advance(4)\n"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment)
    os.close(theirs)
    drawn = b""
    try:
        while piece := os.read(ours, 65536):
            drawn += piece
    except OSError:  # Linux says so when the child has closed its end
        pass
    assert child.wait() == 0
    os.close(ours)
    assert b"[red] outer" in drawn
    assert b"4/4" in drawn
    assert b"said [/]" in drawn
