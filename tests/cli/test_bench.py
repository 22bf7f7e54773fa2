import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

from kdc.export.devices import DEVICES, host
from tests.commands import kdc
from tests.onnx_model import FACTS, make_model, make_phone_folder


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


def _kdc(*options: str) -> Result:
    return kdc("bench", "--seconds", "0.05", *options)


def test_without_options_it_measures_what_export_wrote() -> None:
    make_model(Path("student.onnx"), FACTS)
    done = _kdc("--json", "bench.json")
    assert done.exit_code == 0, done.output
    assert "natural (4 to 9)" in done.stdout and "private MB" in done.stdout
    result = json.loads(Path("bench.json").read_text())
    assert [run["length"] for run in result["runs"]] == ["natural", 64]


def test_the_phone_folders_accuracy_is_in_the_title() -> None:
    make_phone_folder(Path("phone"))
    done = _kdc("--model", "phone", "--length", "8")
    assert "accuracy 90.00 %" in done.stdout and "from its manifest" in done.stdout


def test_json_on_standard_output_stands_alone() -> None:
    """A table before it would make the output unreadable for the next program."""
    make_model(Path("student.onnx"))
    done = _kdc("--json", "-", "--length", "8")
    assert json.loads(done.stdout)["format"] == "kdc.bench/1"
    assert "p50 ms" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "kdc: there is no model at student.onnx: name an .onnx file or a phone folder\n"),
        (("--length", "0"), "kdc: --length takes natural and whole numbers"),
        (("--length", "long"), "kdc: --length takes natural and whole numbers"),
        (("--threads", "0"), "kdc: --threads 0: give a whole number from 1\n"),
        (("--rows", "100"), "kdc: --rows goes with --data\n"),
        (("--multi-label", "|"), "kdc: --multi-label goes with --data\n"),
        (("--device", "hots"), "kdc: unknown device 'hots': did you mean host?\n"),
        (("--model", "text.onnx"), "kdc: text.onnx is no ONNX model or is cut short"),
        (("--model", "."), "kdc: . is no phone folder"),
    ],
)
def test_wrong_input_is_one_sentence(options: tuple[str, ...], told: str) -> None:
    Path("text.onnx").write_text("turn on the light\n")
    done = _kdc(*options)
    assert done.exit_code == 1
    assert done.stderr.startswith(told) and done.stderr.count("\n") == 1 and not done.stdout


def test_threads_that_are_no_number_are_wrong_usage() -> None:
    assert _kdc("--threads", "many").exit_code == 2


def test_help_loads_no_numbers() -> None:
    """Help answers at once: numpy and ONNX Runtime take longer than the whole of it."""
    code = "import sys, kdc.cli.bench; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert not {"numpy", "onnxruntime", "onnx"} & set(loaded.split())


def test_two_models_in_turns_with_their_control() -> None:
    """From two files to a ratio, its interval and the control beside it, in the table and JSON."""
    make_model(Path("one.onnx"), FACTS)
    make_model(Path("two.onnx"), FACTS)
    done = _kdc("one.onnx", "--vs", "two.onnx", "--length", "8", "--runs", "30", "--json", "b.json")
    assert done.exit_code == 0, done.output
    assert "in turns" in done.stdout
    result = json.loads(Path("b.json").read_text())
    assert list(result["models"]) == ["one.onnx", "two.onnx"]
    (pair,) = result["versus"]
    assert (pair["model"], pair["against"], pair["clock"]) == ("one.onnx", "two.onnx", "cpu")
    low, high = pair["aa_interval"]
    off = max(abs(pair["aa_ratio"] - 1), (high - low) / 2)
    if pair["latency_ratio"] is None:
        assert off > 0.0299 and "against itself" in pair["refused"]
    else:
        low, high = pair["interval"]
        assert low <= pair["latency_ratio"] <= high and off < 0.0301
    assert pair["pairs"] >= 3


def test_models_side_by_side_by_place_and_by_option() -> None:
    for name in ("a.onnx", "b.onnx", "c.onnx"):
        make_model(Path(name), FACTS)
    done = _kdc("a.onnx", "b.onnx", "--model", "c.onnx", "--length", "8", "--json", "-")
    assert list(json.loads(done.stdout)["models"]) == ["a.onnx", "b.onnx", "c.onnx"]


def test_a_page_is_written_beside_the_table() -> None:
    make_model(Path("student.onnx"), FACTS)
    done = kdc("bench", "--length", "8", "--minutes", "0.005", "--html", "report.html")
    assert done.exit_code == 0, done.output
    assert "student.onnx" in Path("report.html").read_text()
    assert "minute" in done.stdout  # the drift has its table


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--length", "65"), "reads at most 64 tokens, so not 65"),
        (("--vs", "none.onnx"), "there is no model at none.onnx"),
        (("--device", "arm64", "--threads", "2"), "--threads 2: arm64 counts the instructions of"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_row_is_read(
    options: tuple[str, ...], told: str
) -> None:
    """Bug: all of --data was answered, minutes on an emulated core, and then nothing was kept."""
    make_model(Path("student.onnx"), FACTS)
    done = kdc("bench", "--data", "none.csv", *options)
    assert done.exit_code == 1 and told in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--seconds", "nan"), "kdc: --seconds nan: give more than 0"),
        (("--minutes", "nan"), "kdc: --minutes nan: give more than 0"),
        (("--minutes", "0"), "kdc: --minutes 0: give more than 0"),
        (("--minutes", "1"), "kdc: --seconds goes with --minutes only where --vs is given"),
        (("--runs", "0"), "kdc: --runs 0: give a whole number from 1"),
        (("--cpu-profile", "fone"), "kdc: unknown CPU profile 'fone': did you mean phone"),
        (("--vs", "none.onnx"), "kdc: there is no model at none.onnx"),
        (("none.onnx",), "kdc: there is no model at none.onnx"),
        (("--device", "host:7"), "kdc: --device host:7: this machine has no address"),
        (
            ("--device", "deaf", "--vs", "student.onnx"),
            "kdc: --vs: deaf cannot run models in turns",
        ),
        (("--data", "none.csv"), "kdc: "),
    ],
)
def test_wrong_options_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    monkeypatch.setitem(DEVICES, "deaf", replace(host.DEVICE, turns=None))
    make_model(Path("student.onnx"), FACTS)
    done = _kdc(*options)
    assert done.exit_code == 1
    assert done.stderr.startswith(told) and done.stderr.count("\n") == 1 and not done.stdout
