"""No quantization: the exporter's fp32 file."""

import shutil
from pathlib import Path

from kdc.export.quantizers.situation import Situation


def keep_fp32(fp32: Path, out: Path, situation: Situation) -> None:
    """Copy the fp32 model."""
    shutil.copyfile(fp32, out)
