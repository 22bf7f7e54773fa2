from pathlib import Path

import pytest

from kdc.compress import distill as module
from kdc.compress.distill import distill
from kdc.compress.progress import Silent
from kdc.compress.run import Run
from kdc.compress.stages import Training
from tests.tiny import tiny_job, tiny_recipe, tiny_teacher


class Begun(Exception):
    """Training would begin."""


@pytest.mark.parametrize(("student", "rate"), [("1x32", 1e-3), ("1x16", 4e-3)])
def test_a_narrower_student_has_a_rate_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, student: str, rate: float
) -> None:
    """Bug: every student is trained at one rate, at which one of them is not done or diverges."""

    def begin(run: Run, *_: object, **__: object) -> None:
        raise Begun(run.legs[0].training.learning_rate)

    monkeypatch.setattr(module, "train", begin)
    recipe = tiny_recipe("hinton", learning_rate=1e-3, narrow_rate=4e-3)
    job = tiny_job(
        tiny_teacher(tmp_path / "teacher"), tmp_path / "out", recipe=recipe, student=student
    )
    with pytest.raises(Begun) as begun:
        distill(job, Silent())
    assert begun.value.args == (rate,)


def test_without_a_rate_for_narrow_students_there_is_one() -> None:
    training = Training(learning_rate=2e-4)
    assert training.for_width(narrow=True) is training
