"""An export in one line, with what most tests want: fp32, every token, a narrow gate."""

from pathlib import Path
from typing import Any

from kdc.compress.progress import Silent
from kdc.export.job import ExportJob
from kdc.export.ship import Shipped, ship


def export(student: Path, out: Path, **options: Any) -> Shipped:  # noqa: ANN401
    """Ship a student with some fields of `ExportJob` set."""
    usual = {"method": "none", "vocab": "keep"}
    return ship(ExportJob(student, out, **{**usual, **options}), Silent())
