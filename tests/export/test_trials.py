import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kdc.compress.artifact import read_student
from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.progress import Silent
from kdc.export.model_file import deflated_bytes
from kdc.export.onnx_file import save_model
from kdc.export.parity import Drop
from kdc.export.quantizers import QUANTIZERS, Quantizer
from kdc.export.quantizers.situation import Situation
from kdc.export.trials import Gate, Outcome, try_methods
from tests.student import make_student, make_task

Attempt = Callable[[dict[str, Quantizer], float], Outcome]


def shifted(by: list[float], ballast: int = 0) -> Quantizer:
    """fp16 that adds `by` to the three logits, with so many bytes that do not deflate."""

    def quantize(fp32: Path, out: Path, situation: Situation) -> None:
        QUANTIZERS["fp16"].quantize(fp32, out, situation)
        model = onnx.load(out)
        model.graph.node[-1].output[0] = "unshifted"
        shift = numpy_helper.from_array(np.array(by, dtype=np.float32), "shift")
        model.graph.initializer.append(shift)
        model.graph.node.append(helper.make_node("Add", ["unshifted", "shift"], ["logits"]))
        noise = np.random.default_rng(0).integers(0, 256, ballast, dtype=np.uint8)
        model.graph.initializer.append(numpy_helper.from_array(noise, "ballast"))
        save_model(model, out)

    return Quantizer("for a test", quantize)


def cannot(fp32: Path, out: Path, situation: Situation) -> None:
    raise KdcError("this method reads no such model", "export it with --method other")


NOTHING = [0.0, 0.0, 0.0]
ALWAYS_MUSIC = [0.0, 1e6, 0.0]


@pytest.fixture
def attempt(
    student_folder: Path, fp32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Attempt:
    student = read_student(student_folder)
    copy = tmp_path / "fp32.onnx"
    copy.write_bytes(fp32.read_bytes())
    situation = Situation(student.calibration())

    def run(table: dict[str, Quantizer], max_drop: float) -> Outcome:
        monkeypatch.setattr("kdc.export.trials.QUANTIZERS", table)
        gate = Gate(student, student.dev(), max_drop)
        facts = {"kdc.vocab": "128"}
        return try_methods(list(table), lambda _: copy, facts, gate, situation, Silent())

    return run


def test_the_smallest_file_that_passes_is_kept(attempt: Attempt) -> None:
    """Smaller but broken, then good: the larger of two good ones is not even measured."""
    outcome = attempt(
        {
            "largest": shifted(NOTHING, ballast=9000),
            "broken": shifted(ALWAYS_MUSIC),
            "good": shifted(NOTHING, ballast=4000),
        },
        1.0,
    )
    assert [trial.method for trial in outcome.trials] == ["broken", "good"]
    broken, good = outcome.trials
    assert outcome.shipped is good
    assert broken.drop.points > 10 > 1.0 > good.drop.points
    assert broken.zip_bytes < good.zip_bytes
    assert (broken.fault, good.fault) == ("gives every text the same label", None)
    assert not broken.only_points and not good.only_points


def test_the_order_is_that_of_the_downloads(attempt: Attempt) -> None:
    """The smaller file on disk may be the larger download: four bits hardly deflate."""

    def padded(fp32: Path, out: Path, situation: Situation) -> None:
        shifted(NOTHING).quantize(fp32, out, situation)
        model = onnx.load(out)
        model.graph.doc_string = "x" * 20000
        save_model(model, out)

    outcome = attempt(
        {"dense": shifted(NOTHING, ballast=9000), "airy": Quantizer("for a test", padded)}, 1.0
    )
    assert outcome.shipped.method == "airy"


def test_a_missed_gate_tells_the_best_figure_and_its_interval(
    attempt: Attempt, student_folder: Path
) -> None:
    dev = read_student(student_folder).dev()
    assert dev.logits is not None
    mostly_music = [0.0, 9.0, 0.0]
    before = np.mean(dev.logits.argmax(axis=1) == dev.labels)
    lost = 100 * (before - np.mean((dev.logits + mostly_music).argmax(axis=1) == dev.labels))
    said = f"broken loses {lost:.2f} points where --max-drop allows 0.5"
    with pytest.raises(GateFailed, match=said) as caught:
        attempt({"broken": shifted(mostly_music)}, 0.5)
    assert "n = 60" in str(caught.value)
    assert str(caught.value).endswith("raise --max-drop, or export with --method none")
    with pytest.raises(GateFailed, match="the same label") as caught:
        attempt({"broken": shifted(ALWAYS_MUSIC)}, 0.5)
    assert "raise --max-drop" not in str(caught.value)  # which would change nothing
    assert caught.value.exit_code == 3


def test_a_real_loss_fails_unless_it_was_allowed(student_folder: Path) -> None:
    """With thousands of rows half a point is certain, and the user has not agreed to lose it."""
    student = read_student(student_folder)
    logits, real = np.asarray(student.dev().logits), Drop(0.5, 0.1, 1.0, 0.001)
    usual = Gate(student, student.dev())
    assert str(usual.fault(logits, real)).startswith("loses 0.50 points, which is no chance (p = ")
    assert usual.fault(logits, Drop(1.1, -0.5, 2.0, 0.5)) is not None
    assert Gate(student, student.dev(), 1.0).fault(logits, real) is None


def test_what_may_be_lost_may_be_lost_to_the_last_row(student_folder: Path) -> None:
    """Bug: one row of a hundred is 1.0000000000000009 points: "loses 1.00 where 1 is allowed"."""
    student = read_student(student_folder)
    gate, logits = Gate(student, student.dev(), 1.0), np.asarray(student.dev().logits)
    lost = 100 * (0.93 - 0.92)
    assert lost > 1.0
    assert gate.fault(logits, Drop(lost, 0.0, 2.0, 1.0)) is None
    assert gate.fault(logits, Drop(1.001, 0.0, 2.0, 1.0)) is not None


def test_scores_on_another_scale_do_not_pass(tmp_path: Path) -> None:
    """Bug: a correlation of 1, and every score of 0 to 5 shown to the user was between 3 and 5.

    It came back with --max-drop, which is about points of the correlation and not about the scale.
    """
    student = read_student(make_student(tmp_path / "s", task=make_task("regression"), rows=12))
    gate, right = Gate(student, student.dev()), np.asarray(student.dev().logits)
    spread = float(right.std())
    none = Drop(0.0, 0.0, 0.0, 1.0)
    assert gate.fault(right + 0.05 * spread, none) is None
    for wrong in (right + spread, 0.2 * right):
        assert "off on average, where the student's spread by" in str(gate.fault(wrong, none))
        assert gate.fault(wrong, none) == replace(gate, max_drop=5.0).fault(wrong, none)


def test_a_gain_is_never_a_fault(student_folder: Path) -> None:
    """A p value below the limit with fewer mistakes than the student would be absurd."""
    student = read_student(student_folder)
    gate = Gate(student, student.dev())
    logits = np.asarray(gate.dev.logits)
    assert gate.fault(logits, Drop(-0.5, -1.0, 0.0, 0.001)) is None
    assert gate.fault(logits, Drop(0.5, 0.1, 1.0, 0.5)) is None


def test_nan_never_ships(attempt: Attempt) -> None:
    """With NaN in one column argmax is that column: half of the answers may even be right."""
    nan = shifted([0.0, float("nan"), 0.0])
    told = "the nan model answers NaN or infinity: nothing was written; distil again$"
    with pytest.raises(GateFailed, match=told):
        attempt({"nan": nan}, 100.0)
    outcome = attempt({"nan": nan, "good": shifted(NOTHING, ballast=4000)}, 100.0)
    assert outcome.shipped.method == "good"
    (refused,) = outcome.refused  # bug: under an export that succeeded, "nothing was written"
    assert (refused.method, refused.reason) == ("nan", "the nan model answers NaN or infinity")


def test_a_method_that_cannot_is_noted_and_the_next_one_tried(attempt: Attempt) -> None:
    """One method's limits must not keep the others from a model; asked for alone, they show."""
    unable = Quantizer("for a test", cannot)
    same = Quantizer("for a test", QUANTIZERS["none"].quantize)
    outcome = attempt({"unable": unable, "same": same, "good": shifted(NOTHING)}, 1.0)
    assert outcome.shipped.method == "good"
    reasons = {row.method: row.reason for row in outcome.refused}
    assert reasons["unable"] == "this method reads no such model"
    assert reasons["same"] == "same makes this model no smaller"
    assert [row["method"] for row in outcome.as_dict()] == ["unable", "same", "good"]
    with pytest.raises(KdcError, match=r"no such model: export it with --method other$"):
        attempt({"unable": unable}, 1.0)
    with pytest.raises(KdcError, match="same makes this model no smaller: export it with --method"):
        attempt({"same": same}, 1.0)
    with pytest.raises(GateFailed, match="unable: this method reads no such model; same: ") as all_:
        attempt({"unable": unable, "same": same}, 1.0)
    mend = "same makes this model no smaller): nothing was written; export it with --method none"
    assert str(all_.value).endswith(mend) and "other" not in str(all_.value)


def test_every_file_is_measured_as_it_is_written(attempt: Attempt) -> None:
    """Metadata that is added after measuring makes the published sizes wrong."""
    trial = attempt({"none": QUANTIZERS["none"]}, 0.0).shipped
    assert trial.bytes == trial.path.stat().st_size
    assert trial.zip_bytes == deflated_bytes(trial.path)
    facts = {entry.key: entry.value for entry in onnx.load(trial.path).metadata_props}
    asked = QUANTIZERS["none"].session.as_dict()
    assert facts.pop("kdc.vocab") == "128"
    assert json.loads(facts.pop("kdc.session")) == asked
    assert not facts
    assert (trial.drop.points, trial.drop.p, trial.parity.agreement) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("family", ["Albert", "MobileBert"])
def test_the_families_that_break_under_int8_pass_or_are_refused(
    family: str, family_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """ALBERT's F1 fell from .80 to .05 in public, without a word from the tool that did it."""
    student = read_student(make_student(tmp_path / "student", family))
    fp32 = tmp_path / "fp32.onnx"
    fp32.write_bytes((family_folder(family) / "model.onnx").read_bytes())
    gate, situation = Gate(student, student.dev(), 1.0), Situation(student.calibration())
    names = ["int4", "int8-embeddings4", "int8-dynamic"]
    gold = gate.dev.labels
    before = np.mean(np.asarray(gate.dev.logits).argmax(axis=1) == gold)
    try:
        shipped = try_methods(names, lambda _: fp32, {}, gate, situation, Silent()).shipped
    except GateFailed as error:
        assert "accuracy against the student" in str(error)
        assert "best of 3 tried" in str(error)
    else:
        assert shipped.score.value >= before - 0.01


@pytest.mark.parametrize("always", [[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]], ids=str)
def test_the_same_labels_for_every_text_do_not_pass(tmp_path: Path, always: list[float]) -> None:
    """Where most texts have no label, a model that never gives one loses little."""
    student = read_student(make_student(tmp_path / "s", task=make_task("multi-label")))
    gate, rows = Gate(student, student.dev(), 100.0), len(student.dev())
    nothing = Drop(0.0, 0.0, 0.0, 1.0)
    assert gate.fault(np.tile(always, (rows, 1)), nothing) == "gives every text the same label"
    said = np.array(student.dev().logits)
    assert gate.fault(said, nothing) is None
