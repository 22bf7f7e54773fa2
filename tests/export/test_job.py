from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.export.job import ExportJob


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_drop": float("nan")}, "--max-drop nan: give a number of points from 0"),
        ({"max_drop": float("inf")}, "--max-drop inf: give a number of points from 0"),
        ({"max_drop": -3.0}, "--max-drop -3: give a number of points from 0"),
        ({"embedding_rank": 0}, "--embedding-rank 0: give a whole number from 1"),
        ({"embedding_rank": -1}, "--embedding-rank -1: give a whole number from 1"),
    ],
)
def test_numbers_that_would_be_passed_over_are_refused(options: dict[str, Any], told: str) -> None:
    """Bug: no loss is more than NaN, which opened the gate, and a rank of 0 was taken for none."""
    with pytest.raises(KdcError, match=f"^{told}$"):
        ExportJob(Path("student"), Path("phone"), **options)


def test_the_least_and_the_usual_are_taken() -> None:
    job = ExportJob(Path("student"), Path("phone"), max_drop=0.0, embedding_rank=1)
    assert (job.max_drop, job.embedding_rank) == (0.0, 1)
    assert ExportJob(Path("student"), Path("phone")).max_drop is None
