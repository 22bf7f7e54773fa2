"""How good a student is: beside its teacher, beside what it has to beat, and where they differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Logits
from kdc.compress.calibration import Calibration, calibration
from kdc.compress.comparison import Comparison, compare
from kdc.compress.controls import NAMES
from kdc.compress.data.dataset import Dataset
from kdc.compress.flips import Flips, find_flips
from kdc.compress.metrics import Score, alike, pearson, predictions, score
from kdc.compress.preflight import majority


@dataclass(frozen=True)
class Report:
    """How good everything is: rows (`teacher`, `student`, ...) of scores by split."""

    dev: dict[str, Score]
    test: dict[str, Score]
    """Empty where the data has no labelled test split."""
    agreement: float
    """Share of dev rows that student and teacher answer alike, in all labels where a row may have
    several; for regression, their correlation."""
    history: list[dict[str, Any]]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    """Control -> by how much the student is better, on test where there is one, else on dev."""
    calibration: dict[str, Calibration] = field(default_factory=dict)
    """Of `teacher` and `student` on dev; empty for regression."""
    flips: Flips | None = None
    """Where student and teacher differ on dev."""
    left_out: tuple[str, ...] = ()
    """Controls that were not trained."""

    @property
    def retained(self) -> float:
        """The student's dev score as a share of the teacher's."""
        teacher = self.dev["teacher"].value
        return self.dev["student"].value / teacher if teacher else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return what `metrics.json` holds."""
        rows = {name: value.as_dict() for name, value in self.dev.items()}
        test = {name: value.as_dict() for name, value in self.test.items()}
        better = {name: found.as_dict() for name, found in self.comparisons.items()}
        believed = {name: found.as_dict() for name, found in self.calibration.items()}
        return {
            "teacher": rows.pop("teacher"),
            "student": rows.pop("student"),
            "retained": round(self.retained, 6),
            "agreement": round(self.agreement, 6),
            "baselines": rows,
            **({"test": test} if test else {}),
            **({"comparisons": better} if better else {}),
            **({"calibration": believed} if believed else {}),
            **({"flips": self.flips.as_dict()} if self.flips else {}),
            **({"left_out": list(self.left_out)} if self.left_out else {}),
            "history": self.history,
        }


def make_report(
    data: Dataset,
    answers: Mapping[str, Mapping[str, Logits]],
    history: list[dict[str, Any]],
    left_out: tuple[str, ...] = (),
) -> Report:
    """Score every model's answers and compare the student with its teacher and its controls.

    Args:
        data: the rows.
        answers: who -> split -> (N, C) logits; `teacher`, `student`, the controls by their names
            in `kdc.compress.controls.NAMES`, and any further model.
        history: what training said.
        left_out: controls that were not trained.
    """
    task = data.task
    splits = {"dev": data.dev} | ({"test": data.test} if data.test else {})
    scores: dict[str, dict[str, Score]] = {}
    for name, rows in splits.items():
        said = {who: logits[name] for who, logits in answers.items()}
        scores[name] = {who: score(task.metric, x, rows.labels) for who, x in said.items()}
        scores[name]["majority"] = majority(task, data.train.labels, rows.labels)
    where, rows = list(splits.items())[-1]
    student, teacher = answers["student"], answers["teacher"]
    dev, both = data.dev, {"teacher": teacher["dev"], "student": student["dev"]}
    classes = task.kind != "regression"
    return Report(
        dev=scores["dev"],
        test=scores.get("test", {}),
        agreement=_agreement(*(predictions(logits, task.kind) for logits in both.values())),
        history=history,
        comparisons={
            who: compare(where, student[where], answers[who][where], rows.labels, task)
            for who in NAMES
            if who in answers
        },
        calibration={who: calibration(x, dev.labels) for who, x in both.items() if classes},
        flips=find_flips("dev", dev, both["teacher"], both["student"], task),
        left_out=left_out,
    )


def _agreement(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    if ours.dtype.kind == "f":
        return pearson(ours, theirs)
    return float(np.mean(alike(ours, theirs)))
