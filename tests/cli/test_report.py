import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import Result

from tests.bench_documents import document, model, run, write
from tests.commands import kdc


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with two days in it, the second on another machine."""
    monkeypatch.chdir(tmp_path)
    write(Path("monday.json"), document())
    machine = {"cpu": "Another CPU", "cores": 8, "onnxruntime": "1.31.1"}
    fields = {"models": {"copy": model("1", 4.0)}, "versus": [], "quality": [], "machine": machine}
    runs = [run("copy", 0.25)]
    write(Path("tuesday.json"), document(date="2026-11-22", runs=runs, **fields))


def _kdc(*options: str) -> Result:
    return kdc("report", *options)


def test_several_measurements_are_one_table() -> None:
    done = _kdc("monday.json", "tuesday.json")
    assert done.exit_code == 0, done.output
    assert "Some CPU" in done.stdout and "Another CPU" in done.stdout
    assert "copy" not in done.stdout  # the same bytes as small/phone
    assert "p50 ms" in done.stdout and "6.000 (5.880 to 6.120)" in done.stdout
    assert "accuracy where it runs" in done.stdout and "where the memory goes" in done.stdout


def test_page_and_json_are_written_and_the_json_is_read_again() -> None:
    done = _kdc("monday.json", "tuesday.json", "--html", "report.html", "--json", "both.json")
    assert done.exit_code == 0, done.output
    assert "page: report.html" in done.stderr
    assert Path("report.html").read_text().startswith("<!doctype html>")
    both = json.loads(Path("both.json").read_text())
    assert [one["machine"]["cpu"] for one in both["sources"]] == ["Some CPU", "Another CPU"]
    again = _kdc("both.json", "monday.json", "--json", "again.json")
    assert again.exit_code == 0
    assert json.loads(Path("again.json").read_text()) == both


def test_json_on_standard_output_stands_alone() -> None:
    done = _kdc("monday.json", "--json", "-")
    assert json.loads(done.stdout)["format"] == "kdc.bench/1"
    assert "p50 ms" in done.stderr


def test_a_picture_is_written_where_it_can_be_drawn() -> None:
    pytest.importorskip("resvg_py")
    assert _kdc("monday.json", "--png", "picture.png").exit_code == 0
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (("missing.json",), "kdc: there is no bench document at missing.json"),
        (("phone.json",), "kdc: phone.json is of another kind: 'kdc.phone/1'"),
        (("monday.json", "half.json"), "kdc: half.json is not valid JSON"),
        (("nan.json",), "kdc: nan.json: runs[0].load_ms must be a number"),
        (("monday.json", "--html", "missing.json/x.html"), "kdc: "),
    ],
)
def test_wrong_files_are_one_sentence(files: tuple[str, ...], told: str) -> None:
    Path("phone.json").write_text('{"format": "kdc.phone/1"}')
    Path("half.json").write_text(Path("monday.json").read_text()[:500])
    write(Path("nan.json"), document(runs=[run("a", 1.0, load_ms=float("nan"))]))
    if "--html" in files:
        Path("missing.json").touch()
    done = _kdc(*files)
    assert done.exit_code == 1, done.output
    last = done.stderr.splitlines()[-1]
    assert (
        last.startswith(told)
        and sum(line.startswith("kdc: ") for line in done.stderr.splitlines()) == 1
    )
    assert not Path("x.html").exists()


def test_a_document_in_which_nothing_was_measured_is_told() -> None:
    """Bug: no table, no word and exit code 0; with --html an empty page."""
    nothing = document(runs=[], versus=[], quality=[])
    for name in ("empty.json", "other.json"):
        write(Path(name), nothing)
    done = _kdc("empty.json", "other.json", "--html", "x.html")
    told = "kdc: empty.json, other.json: no model was measured there: run kdc bench\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", told)
    assert not Path("x.html").exists()
    done = _kdc("monday.json", "empty.json")
    assert done.exit_code == 0 and "p50 ms" in done.stdout
    assert "empty.json: no model was measured there, so it adds nothing" in done.stderr


def test_no_file_is_wrong_usage() -> None:
    assert _kdc().exit_code == 2


@pytest.mark.parametrize("columns", [46, 80, 400])
def test_no_figure_is_broken_in_two_on_a_terminal(columns: int) -> None:
    """`12.` at the end of a line and `34` on the next are two figures to who reads them."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    code = "from kdc.cli.main import main; main()"
    command = [sys.executable, "-c", code, "report", "monday.json"]
    child = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env=environment)
    os.close(slave)
    output = b""
    while chunk := _read(master):
        output += chunk
    assert child.wait() == 0
    shown = output.decode()
    for figure in ("12.00", "3.60", "9.00", "1.100 (1.050 to 1.150)"):
        assert figure in shown, (figure, shown)


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # the other end is closed
        return b""
