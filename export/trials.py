"""Quantize, measure on dev, and keep the smallest file that is still good enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.artifact import Student
from kdc.compress.errors import GateFailed
from kdc.compress.examples import Examples
from kdc.compress.metrics import Score, score
from kdc.compress.progress import Progress
from kdc.export.model_file import deflated_bytes
from kdc.export.onnx_file import stamp
from kdc.export.parity import Drop, Parity, compare, metric_drop
from kdc.export.quantizers import QUANTIZERS
from kdc.export.session import answer, open_session


@dataclass(frozen=True)
class Trial:
    """One quantization method and what it costs."""

    method: str
    path: Path
    """The `.onnx` it wrote; temporary."""
    bytes: int
    zip_bytes: int
    """Bytes after deflate: what an app's download grows by."""
    parity: Parity
    """Against the student's own answers, each row alone."""
    drop: Drop
    """What the metric lost against the student."""
    score: Score
    """The metric on dev."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "method": self.method,
            "bytes": self.bytes,
            "zip_bytes": self.zip_bytes,
            "parity": self.parity.as_dict(),
            "drop": self.drop.as_dict(),
            "score": self.score.as_dict(),
        }


def try_methods(
    methods: Sequence[str],
    fp32: Path,
    facts: Mapping[str, str],
    student: Student,
    dev: Examples,
    max_drop: float,
    progress: Progress,
) -> list[Trial]:
    """Try methods from the smallest file to the largest until one passes the gate.

    Args:
        methods: names from `QUANTIZERS`.
        fp32: the exported model; the others are written beside it.
        facts: the metadata of every file.
        student: the student folder.
        dev: rows with the student's own logits.
        max_drop: points of the metric that may be lost.
        progress: shows how far it is.

    Returns:
        What was tried; the last of them passed.

    Raises:
        GateFailed: none passed.
    """
    files = {method: fp32.with_name(f"{method}.onnx") for method in methods}
    for method, path in files.items():
        QUANTIZERS[method].quantize(fp32, path)
        stamp(path, facts)
    trials: list[Trial] = []
    for method in sorted(methods, key=lambda method: files[method].stat().st_size):
        trials.append(_measure(method, files[method], student, dev, progress))
        if trials[-1].drop.points <= max_drop:
            return trials
    raise _too_lossy(trials, max_drop)


def _measure(method: str, path: Path, student: Student, dev: Examples, progress: Progress) -> Trial:
    task, reference = student.task, np.asarray(dev.logits)
    logits = answer(open_session(path), dev, progress)
    return Trial(
        method=method,
        path=path,
        bytes=path.stat().st_size,
        zip_bytes=deflated_bytes(path),
        parity=compare(f"the {method} model", logits, reference, task.kind),
        drop=metric_drop(task.metric, logits, reference, dev.labels),
        score=score(task.metric, logits, dev.labels),
    )


def _too_lossy(trials: list[Trial], max_drop: float) -> GateFailed:
    best = min(trials, key=lambda trial: trial.drop.points)
    drop = best.drop
    return GateFailed(
        f"{best.method} loses {drop.points:.2f} points of {best.score.metric} against the student "
        f"(95 % interval {drop.low:.2f} to {drop.high:.2f}, n = {best.score.n}) where --max-drop "
        f"allows {max_drop:g}, and it was the best of {len(trials)} tried: nothing was written; "
        "train a sturdier student, raise --max-drop, or export with --method none"
    )
