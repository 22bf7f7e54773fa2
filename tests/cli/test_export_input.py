"""What a user may type or have lying about wrongly: one sentence, and nothing is written."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer, models
from typer.testing import Result

from tests.commands import kdc
from tests.onnx_model import FACTS, make_model
from tests.student import MAX_LENGTH, make_student, remake


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("walk") / "student", rows=20)


def assert_refused(done: Result, told: str, out: Path) -> None:
    assert done.exit_code == 1, done.output
    last = done.stderr.splitlines()[-1]
    assert last.startswith("kdc: ") and told in last, done.stderr
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--target", "arm"], "unknown target 'arm'"),
        (["--layout", "nmap"], "unknown layout 'nmap': did you mean mmap"),
        (["--exporter", "leen"], "unknown exporter 'leen': did you mean lean"),
        (["--method", "int9"], "unknown quantization method 'int9'"),
        (["--vocab", "most"], "--vocab is keep, task or a number of tokens"),
        (["--vocab", "5"], "--vocab 5 is too small"),
        (["--vocab", "129"], "--vocab 129 is more than the 128 tokens"),
        (
            ["--embedding-rank", "32"],
            "become no smaller at rank 32: give --embedding-rank from 1 to 23",
        ),
        (["--length", "0"], "--length 0 does not fit this student, whose texts have 3 to "),
        (["--length", str(MAX_LENGTH + 1)], f"have 3 to {MAX_LENGTH} tokens"),
    ],
)
def test_an_option_that_cannot_be_is_one_sentence(
    options: list[str], told: str, student: Path, tmp_path: Path
) -> None:
    assert_refused(
        kdc("export", str(student), *options, "--out", str(tmp_path / "p")), told, tmp_path
    )


def test_the_vocabulary_of_another_kind_of_tokenizer_is_not_cut(
    student: Path, tmp_path: Path
) -> None:
    """A BPE token is made of others: without them it can never be reached."""
    folder, out = shutil.copytree(student, tmp_path / "student"), tmp_path / "out"
    out.mkdir()
    Tokenizer(models.BPE()).save(str(folder / "tokenizer.json"))
    remake(folder)
    done = kdc("export", str(folder), "--vocab", "100", "--out", str(out / "p"))
    assert_refused(done, "the vocabulary of a BPE tokenizer cannot be cut", out)


@pytest.mark.parametrize("method", ["int8-static", "int4"])
def test_calibration_without_rows_is_one_sentence(
    method: str, student: Path, tmp_path: Path
) -> None:
    folder, out = shutil.copytree(student, tmp_path / "student"), tmp_path / "out"
    out.mkdir()
    with np.load(folder / "calibration.npz") as arrays:
        empty = {name: array[:0] for name, array in arrays.items()}
    np.savez_compressed(folder / "calibration.npz", **empty)
    remake(folder)
    done = kdc("export", str(folder), "--method", method, "--out", str(out / "p"))
    assert_refused(done, "calibration.npz holds no rows: distil again", out)


def test_a_config_with_nan_is_one_sentence(student: Path, tmp_path: Path) -> None:
    """Bug: "internal error: Out of range float values are not JSON compliant", after the export."""
    folder, out = shutil.copytree(student, tmp_path / "student"), tmp_path / "out"
    out.mkdir()
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("{", '{"layer_scale": NaN,', 1))
    remake(folder)
    done = kdc("export", str(folder), "--out", str(out / "p"))
    assert_refused(done, "config.json holds NaN, which is no number of JSON", out)


@pytest.mark.parametrize("command", ["eval", "bench"])
def test_an_onnx_of_somebody_else_is_one_sentence(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_model(Path("theirs.onnx"), output="scores")
    Path("rows.csv").write_text("text,label\n" + "wake me,alarm\nstop it,stop\n" * 6)
    data = ["--data", "rows.csv"] if command == "eval" else ["--length", "8"]
    done = kdc(command, "--model", "theirs.onnx", *data)
    assert done.exit_code == 1
    told = "no phone folder with theirs.onnx" if command == "eval" else "gives scores as tensor"
    assert told in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("missing", "its weights 'w.bin' are missing beside it; copy both files together again"),
        ("cut", "w.bin is cut short or of another model"),
        ("outside", "names weights outside its folder: '../w.bin'"),
        ("link", "names weights outside its folder: 'w.bin'"),
    ],
)
def test_weights_that_are_not_beside_their_model_are_refused(
    fault: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime itself follows any path and any link that a model names."""
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    model = onnx.load(make_model(Path("m.onnx"), FACTS))
    onnx.save(model, "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=64)
    weights = Path("w.bin")
    if fault == "missing":
        weights.unlink()
    elif fault == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif fault == "link":
        weights.rename(tmp_path / "w.bin")
        weights.symlink_to(tmp_path / "w.bin")
    else:
        weights.rename(tmp_path / "w.bin")
        bare = onnx.load("m.onnx", load_external_data=False)
        for tensor in bare.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = "../w.bin"
        Path("m.onnx").write_bytes(bare.SerializeToString())
    done = kdc("bench", "--model", "m.onnx", "--length", "8")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1 and told in done.stderr, done.stderr
