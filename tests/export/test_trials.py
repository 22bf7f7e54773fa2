from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kdc.compress.artifact import Student, read_student
from kdc.compress.errors import GateFailed
from kdc.compress.progress import Silent
from kdc.export.model_file import deflated_bytes
from kdc.export.onnx_file import save_model
from kdc.export.quantizers import QUANTIZERS, Quantizer
from kdc.export.trials import Trial, try_methods
from tests.student import make_task


def with_classifier(change: Callable[[np.ndarray], np.ndarray], padding: int = 0) -> Quantizer:  # type: ignore[type-arg]
    """A method that changes the classifier's bias, in a file `padding` bytes larger."""

    def quantize(fp32: Path, out: Path) -> None:
        model = onnx.load(fp32)
        (bias,) = (t for t in model.graph.initializer if t.name == "classifier.bias")
        values = change(numpy_helper.to_array(bias)).astype(np.float32)
        bias.CopyFrom(numpy_helper.from_array(values, bias.name))
        model.graph.doc_string = "x" * padding
        save_model(model, out)

    return Quantizer("for a test", quantize)


def always_music(bias: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([0, 1e6, 0])


@pytest.fixture
def attempt(
    student_folder: Path, fp32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Trial]]:
    student: Student = read_student(student_folder)
    copy = tmp_path / "fp32.onnx"
    copy.write_bytes(fp32.read_bytes())

    def run(table: dict[str, Quantizer], max_drop: float) -> list[Trial]:
        monkeypatch.setattr("kdc.export.trials.QUANTIZERS", table)
        facts = {"kdc.vocab": "128"}
        return try_methods(list(table), copy, facts, student, student.dev(), max_drop, Silent())

    return run


def test_the_smallest_file_that_passes_is_kept(attempt: Callable[..., list[Trial]]) -> None:
    """Smaller but broken, then good: the larger of two good ones is not even measured."""
    table = {
        "largest": with_classifier(np.asarray, padding=9000),
        "broken": with_classifier(always_music),
        "good": with_classifier(np.asarray, padding=4000),
    }
    trials = attempt(table, 1.0)
    assert [trial.method for trial in trials] == ["broken", "good"]
    assert trials[0].drop.points > 10 > 1.0 > trials[1].drop.points
    assert trials[0].bytes < trials[1].bytes


def test_a_missed_gate_tells_the_best_figure_and_its_interval(
    attempt: Callable[..., list[Trial]], student_folder: Path
) -> None:
    dev = read_student(student_folder).dev()
    assert dev.logits is not None
    before = np.mean(dev.logits.argmax(axis=1) == dev.labels)
    lost = 100 * (before - np.mean(dev.labels == 1))
    with pytest.raises(GateFailed, match=f"broken loses {lost:.2f} points of accuracy") as caught:
        attempt({"broken": with_classifier(always_music)}, 0.5)
    assert "n = 60" in str(caught.value)
    assert "allows 0.5" in str(caught.value)
    assert caught.value.exit_code == 3


def test_nan_never_ships(attempt: Callable[..., list[Trial]]) -> None:
    """With NaN in one column argmax is that column: half of the answers may even be right."""
    nan = with_classifier(lambda bias: bias * np.nan)
    with pytest.raises(GateFailed, match="the nan model answers NaN"):
        attempt({"nan": nan}, 100.0)


def test_every_file_is_measured_as_it_is_written(attempt: Callable[..., list[Trial]]) -> None:
    """Metadata that is added after measuring makes the published sizes wrong."""
    (trial,) = attempt({"none": QUANTIZERS["none"]}, 0.0)
    assert trial.bytes == trial.path.stat().st_size
    assert trial.zip_bytes == deflated_bytes(trial.path)
    assert [entry.key for entry in onnx.load(trial.path).metadata_props] == ["kdc.vocab"]
    assert (trial.drop.points, trial.parity.agreement) == (0.0, 1.0)


def test_regression_goes_through_the_same_gate(tmp_path: Path) -> None:
    """Its logits are one column, whose argmax always agrees."""
    from kdc.export.exporters import EXPORTERS
    from tests.student import make_student

    student = read_student(make_student(tmp_path / "student", task=make_task("regression")))
    EXPORTERS["torch"].export(student.folder, tmp_path / "fp32.onnx")
    dev = student.dev()
    assert dev.logits is not None
    arguments = (["int8-dynamic"], tmp_path / "fp32.onnx", {}, student, dev)
    (trial,) = try_methods(*arguments, 50.0, Silent())
    assert trial.parity.agreement is None
    wanted = np.corrcoef(dev.logits[:, 0], dev.labels)[0, 1] - trial.score.value
    assert trial.drop.points == pytest.approx(100 * wanted, abs=1e-3)
    with pytest.raises(GateFailed, match="points of pearson"):
        try_methods(*arguments, -100.0, Silent())
