import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kdc.cli.main import build
from tests.onnx_model import FACTS, make_model, make_phone_folder


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


def _kdc(*options: str) -> Result:
    return CliRunner().invoke(build(), ["bench", "--seconds", "0.05", *options])


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
