from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kdc.compress.artifact import Student, read_student
from kdc.compress.errors import GateFailed
from kdc.compress.progress import Silent
from kdc.export.model_file import deflated_bytes
from kdc.export.onnx_file import save_model
from kdc.export.quantizers import QUANTIZERS, Quantizer
from kdc.export.trials import Trial, try_methods


def shifted(by: list[float], padding: int = 0) -> Quantizer:
    """A method that adds `by` to the three logits, in a file `padding` bytes larger."""

    def quantize(fp32: Path, out: Path) -> None:
        model = onnx.load(fp32)
        model.graph.node[-1].output[0] = "unshifted"
        shift = numpy_helper.from_array(np.array(by, dtype=np.float32), "shift")
        model.graph.initializer.append(shift)
        model.graph.node.append(helper.make_node("Add", ["unshifted", "shift"], ["logits"]))
        model.graph.doc_string = "x" * padding
        save_model(model, out)

    return Quantizer("for a test", quantize)


NOTHING = [0.0, 0.0, 0.0]
ALWAYS_MUSIC = [0.0, 1e6, 0.0]


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
        "largest": shifted(NOTHING, padding=9000),
        "broken": shifted(ALWAYS_MUSIC),
        "good": shifted(NOTHING, padding=4000),
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
        attempt({"broken": shifted(ALWAYS_MUSIC)}, 0.5)
    assert "n = 60" in str(caught.value)
    assert "allows 0.5" in str(caught.value)
    assert caught.value.exit_code == 3


def test_nan_never_ships(attempt: Callable[..., list[Trial]]) -> None:
    """With NaN in one column argmax is that column: half of the answers may even be right."""
    nan = shifted([0.0, float("nan"), 0.0])
    with pytest.raises(GateFailed, match="the nan model answers NaN"):
        attempt({"nan": nan}, 100.0)


def test_every_file_is_measured_as_it_is_written(attempt: Callable[..., list[Trial]]) -> None:
    """Metadata that is added after measuring makes the published sizes wrong."""
    (trial,) = attempt({"none": QUANTIZERS["none"]}, 0.0)
    assert trial.bytes == trial.path.stat().st_size
    assert trial.zip_bytes == deflated_bytes(trial.path)
    assert [entry.key for entry in onnx.load(trial.path).metadata_props] == ["kdc.vocab"]
    assert (trial.drop.points, trial.parity.agreement) == (0.0, 1.0)
