import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import kdc.compress.files as files
from kdc.cli.console import Terminal
from kdc.cli.main import build
from kdc.compress.errors import KdcError
from kdc.compress.progress import Progress
from kdc.export.job import ExportJob
from tests.faults import full_disk_at
from tests.student import make_student


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("walk") / "student", rows=20)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["export", *arguments])


def test_export_without_options_reads_student_and_writes_phone_in_fp32(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's second command, in the folder where the first one was run."""
    monkeypatch.chdir(student.parent)
    done = run("--json", "export.json")
    assert done.exit_code == 0, done.output
    assert Path("phone/onnx/model.onnx").read_bytes() == Path("student.onnx").read_bytes()
    result = json.loads(Path("export.json").read_text())
    assert result["method"] == "none"
    assert result["tried"][0]["bytes"] == Path("student.onnx").stat().st_size
    assert f"{result['tried'][0]['zip_bytes'] / 1e6:.2f}" in done.stdout
    assert "100.00 %" in done.stdout
    assert "student.onnx: accuracy" in done.stderr


def test_what_an_export_tried_is_told_though_the_disk_became_full(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: the phone folder was there, and what it cost and weighs was told nowhere."""
    monkeypatch.setattr(files, "_sync_file", full_disk_at("export.json"))
    phone = tmp_path / "phone"
    done = run(str(student), "--out", str(phone), "--json", str(tmp_path / "export.json"))
    assert done.exit_code == 1 and (phone / "manifest.json").is_file()
    assert "where its bytes are" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("kdc: cannot write ") and "export.json: the disk is full" in last


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ([], "none"),
        (["--quantize"], "auto"),
        (["--method", "int8-dynamic"], "int8-dynamic"),
        (["--quantize", "--method", "int8-dynamic"], "int8-dynamic"),
        (["--method", "none"], "none"),
    ],
)
def test_an_explicit_method_wins_over_quantize(
    options: list[str], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method makes the model smaller too, in the one way that the user named."""

    def fake(job: ExportJob, progress: Progress) -> None:
        raise KdcError(f"{job.student} -> {job.out}: {job.method}, {job.max_drop} points")

    monkeypatch.setattr("kdc.export.ship.ship", fake)
    assert run(*options).stderr == f"kdc: student -> phone: {method}, None points\n"


def test_a_missed_gate_is_exit_code_3_and_one_sentence(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts tell "not good enough" from "does not work" by the code."""
    monkeypatch.setattr("kdc.export.trials.answer", lambda _, dev, __: -dev.logits)
    done = run(
        str(student), "--method", "int8-dynamic", "--quiet", "--out", str(tmp_path / "phone")
    )
    assert done.exit_code == 3
    assert done.stderr.startswith("kdc: int8-dynamic loses ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_student_is_exit_code_1_and_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("--quantize")
    assert done.exit_code == 1
    assert done.stderr == (
        "kdc: there is no student folder at student: kdc distill makes one, or give another path\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_quantize_without_quantization_is_a_contradiction(student: Path, tmp_path: Path) -> None:
    """Bug: --quantize was dropped without a word, and a model four times as large shipped."""
    out = str(tmp_path / "phone")
    done = run(str(student), "--quantize", "--method", "none", "--out", out)
    assert done.exit_code == 1 and list(tmp_path.iterdir()) == []
    assert done.stderr == (
        "kdc: --quantize asks for a smaller file and --method none for none: leave one of them "
        "out\n"
    )


def test_a_negative_drop_is_wrong_usage(student: Path) -> None:
    assert run(str(student), "--max-drop", "-1").exit_code == 2


def test_an_endless_drop_is_one_sentence(student: Path) -> None:
    """No loss is more than that, so a model that answers at random would pass its gate."""
    done = run(str(student), "--quantize", "--max-drop", "inf")
    assert done.exit_code == 1
    assert done.stderr == "kdc: --max-drop inf: give a number of points from 0\n"


def test_the_result_is_written_though_the_reader_of_the_tables_leaves(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: `kdc export --json e.json | head -1` exported and left no e.json."""

    def leave(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Terminal, "table", leave)
    run(str(student), "--out", str(tmp_path / "phone"), "--json", str(tmp_path / "e.json"))
    assert json.loads((tmp_path / "e.json").read_text())["method"] == "none"
