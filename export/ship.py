"""`kdc export`: from a student folder to a phone folder, through the gate."""

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kdc.compress.artifact import Student, read_student
from kdc.compress.errors import unknown
from kdc.compress.examples import Examples
from kdc.compress.files import read_json, whole_file, whole_folder, write_manifest, write_text
from kdc.compress.progress import Progress
from kdc.export.card import card
from kdc.export.config import write_config
from kdc.export.exporters import EXPORTERS
from kdc.export.facts import facts
from kdc.export.golden import write_golden
from kdc.export.parity import Parity, check_export
from kdc.export.phone_model import FORM, FORMAT, MODELS
from kdc.export.quantizers import NONE, methods
from kdc.export.session import open_session
from kdc.export.tokenizer import check_tokenizer, write_tokenizer
from kdc.export.trials import Trial, try_methods

COPY = "student.onnx"
_LIBRARIES = ("kdc", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class Shipped:
    """What an export wrote, and what it tried."""

    folder: Path
    """The phone folder."""
    copy: Path
    """The model beside it, the same bytes as the one inside."""
    student: Student
    export: Parity
    """The fp32 export against the student."""
    trials: list[Trial]
    """The methods that were tried; the last of them ships."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "phone": str(self.folder),
            "model": str(self.copy),
            "method": self.trials[-1].method,
            "export": self.export.as_dict(),
            "tried": [trial.as_dict() for trial in self.trials],
            "metrics": _metrics(self.student, self.trials[-1]),
        }


def ship(
    source: Path,
    out: Path,
    progress: Progress,
    *,
    method: str,
    exporter: str,
    max_drop: float,
) -> Shipped:
    """Export a student, quantize it, check it on dev and write the phone folder.

    `student.onnx` beside `out` appears after it; both are whole, or stay as they were.

    Args:
        source: a student folder.
        out: where the phone folder goes.
        progress: shows how far it is.
        method: a name from `QUANTIZERS`, or `auto`.
        exporter: a name from `EXPORTERS`.
        max_drop: points of the metric that may be lost against the student.

    Raises:
        GateFailed: the export is not the student, or every method loses more than `max_drop`.
        KdcError: an unknown name, an unusable student, or a place that cannot be written.
    """
    chosen = methods(method)
    if exporter not in EXPORTERS:
        raise unknown("exporter", exporter, EXPORTERS)
    student = read_student(source)
    dev, copy = student.dev(), out.parent / COPY
    with whole_file(copy) as twin, whole_folder(out, FORM) as folder:
        with TemporaryDirectory(dir=folder) as scratch:
            fp32 = Path(scratch) / "fp32.onnx"
            progress.say(f"exporting {source}")
            EXPORTERS[exporter].export(source, fp32)
            padding = read_json(source / "config.json").get("pad_token_id") or 0
            exact = check_export(open_session(fp32), dev, student.task.kind, padding, progress)
            known = facts(student, dev.lengths)
            trials = try_methods(chosen, fp32, known, student, dev, max_drop, progress)
            quantized, plain = MODELS
            model = folder / (plain if trials[-1].method == NONE else quantized)
            model.parent.mkdir()
            shutil.move(trials[-1].path, model)
        shutil.copyfile(model, twin)
        _write_phone(folder, model, student, dev, exact, trials[-1])
    return Shipped(out, copy, student, exact, trials)


def _write_phone(
    folder: Path, model: Path, student: Student, dev: Examples, exact: Parity, trial: Trial
) -> None:
    """Write everything but the model, the manifest last."""
    tokenizer = write_tokenizer(student, folder)
    check_tokenizer(tokenizer, dev)
    write_config(student, folder, trial.method != NONE)
    write_golden(folder / "golden.json", open_session(model), tokenizer, student, dev)
    made_with = {"python": platform.python_version()}
    made_with |= {name: version(name) for name in _LIBRARIES}
    name = model.relative_to(folder).as_posix()
    write_text(folder / "README.md", card(student, trial, name, made_with))
    fields = {
        "parent": {"student": student.digest, **student.manifest.get("parent", {})},
        "task": student.task.as_dict(),
        "labels": list(student.task.labels),
        "max_length": student.max_length,
        "quantization": trial.method,
        "metrics": _metrics(student, trial),
        "parity": {
            "export": exact.as_dict(),
            "shipped": {**trial.parity.as_dict(), "drop": trial.drop.as_dict()},
        },
        "made_with": made_with,
    }
    write_manifest(folder, FORMAT, fields)


def _metrics(student: Student, trial: Trial) -> dict[str, Any]:
    scores = {"teacher": student.teacher, "student": student.student, "shipped": trial.score}
    return {name: score.as_dict() for name, score in scores.items()}
