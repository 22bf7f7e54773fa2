"""What metrics.json says, and that it is what the answers say."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdc.compress.calibration import calibration
from kdc.compress.comparison import compare
from kdc.compress.data.dataset import Dataset
from kdc.compress.metrics import Score, score
from kdc.compress.report import Report, make_report
from kdc.compress.task import Kind
from tests.tiny import tiny_data


def scored(value: float) -> Score:
    return Score("accuracy", value, 100, value - 0.1, value + 0.1)


def report_of(teacher: float, student: float) -> Report:
    rows = {"teacher": teacher, "student": student, "bag_of_words": 0.5, "majority": 0.25}
    return Report({name: scored(value) for name, value in rows.items()}, {}, 0.7, [{"step": 1}])


def _truth(labels: Any, kind: Kind) -> Any:  # noqa: ANN401 - arrays
    """Return the (N, C) logits that are right."""
    if kind == "multi-label":
        return labels - 0.5
    return np.eye(4)[labels] if kind == "classification" else labels[:, None]


def answers(
    kind: Kind, noise: dict[str, float], test: bool = True
) -> tuple[Dataset, dict[str, Any]]:
    """Made-up models: the truth, and noise of the size given."""
    data = tiny_data(kind, rows=400)
    data = data if test else replace(data, test=None)
    splits = {"dev": data.dev} | ({"test": data.test} if data.test else {})
    found: dict[str, Any] = {}
    for seed, (who, size) in enumerate(noise.items()):
        rng = np.random.default_rng(seed)
        found[who] = {
            name: (
                _truth(rows.labels, data.task.kind)
                + size * rng.normal(size=(len(rows), data.task.outputs))
            ).astype(np.float32)
            for name, rows in splits.items()
        }
    return data, found


MODELS = {"teacher": 0.2, "student": 0.4, "scratch": 0.41, "bag_of_words": 2.0}


def test_the_report_has_the_named_rows_first() -> None:
    fields = report_of(0.8, 0.76).as_dict()
    assert fields["teacher"] == scored(0.8).as_dict()
    assert fields["student"]["interval"] == [0.66, 0.86]
    assert fields["retained"] == 0.95
    assert fields["agreement"] == 0.7
    assert list(fields["baselines"]) == ["bag_of_words", "majority"]
    assert not {"test", "comparisons", "calibration", "flips", "left_out"} & set(fields)


def test_a_teacher_that_scores_nothing_has_nothing_to_keep() -> None:
    """Bug: a division by zero after the whole training."""
    assert report_of(0.0, 0.3).retained == 0.0


@pytest.mark.parametrize("kind", ["classification", "multi-label", "regression"])
def test_every_figure_is_that_of_the_answers(kind: Kind) -> None:
    """Bug: dev's labels for test's answers, or a control compared the wrong way round."""
    data, found = answers(kind, MODELS)
    assert data.test is not None
    report = make_report(data, found, [{"step": 1}])
    for split, rows in (("dev", data.dev), ("test", data.test)):
        for who in MODELS:
            expected = score(data.task.metric, found[who][split], rows.labels)
            assert getattr(report, split)[who] == expected
    assert list(report.dev) == [*MODELS, "majority"]
    assert list(report.comparisons) == ["scratch", "bag_of_words"]
    bag = report.comparisons["bag_of_words"]
    assert bag.split == "test" and bag.low > 0
    expected_gain = report.test["student"].value - report.test["bag_of_words"].value
    assert bag.difference == pytest.approx(expected_gain)
    scratch = found["scratch"]["test"]
    compared = compare("test", found["student"]["test"], scratch, data.test.labels, data.task)
    assert report.comparisons["scratch"] == compared
    if kind != "regression":
        calibrated = calibration(found["student"]["dev"], data.dev.labels)
        assert report.calibration["student"] == calibrated
        student, teacher = (found[who]["dev"] for who in ("student", "teacher"))
        same = student.argmax(1) == teacher.argmax(1)
        if kind == "multi-label":
            same = np.all((student > 0) == (teacher > 0), axis=1)
        assert report.agreement == same.mean()
        assert report.flips is not None and report.flips.count == (~same).sum()
    else:
        assert report.calibration == {}
        one, other = (found[who]["dev"][:, 0] for who in ("student", "teacher"))
        assert report.agreement == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-6)
    json.dumps(report.as_dict(), allow_nan=False)


def test_without_a_test_split_dev_decides_and_what_is_left_out_is_said() -> None:
    data, found = answers(
        "classification", {"teacher": 0.2, "student": 0.4, "bag_of_words": 2}, False
    )
    report = make_report(data, found, [], left_out=("scratch",))
    assert report.test == {} and report.comparisons["bag_of_words"].split == "dev"
    assert report.as_dict()["left_out"] == ["scratch"]


@pytest.mark.parametrize("kind", ["classification", "multi-label", "regression"])
def test_one_dev_row(kind: Kind) -> None:
    """Bug: a user's --dev of one row ends in a traceback after the training."""
    data, found = answers(kind, {"teacher": 0.2, "student": 0.4}, test=False)
    one = replace(data.dev, texts=data.dev.texts[:1], labels=data.dev.labels[:1])
    first = {who: {"dev": logits["dev"][:1]} for who, logits in found.items()}
    report = make_report(replace(data, dev=one), first, [])
    json.dumps(report.as_dict(), allow_nan=False)
