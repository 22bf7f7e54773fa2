"""`kdc export`: from a student folder to a phone folder, through the gate."""

import platform
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kdc.compress.artifact import Student, read_student
from kdc.compress.errors import KdcError
from kdc.compress.files import (
    MANIFEST,
    read_json,
    refuse_inside,
    sha256,
    whole_file,
    whole_folder,
    write_manifest,
    write_text,
)
from kdc.compress.locks import hold
from kdc.compress.progress import Progress
from kdc.compress.swap import clear_leftovers
from kdc.export.card import card
from kdc.export.config import write_config
from kdc.export.exporters import check_exporter
from kdc.export.facts import facts
from kdc.export.golden import write_golden
from kdc.export.job import ExportJob
from kdc.export.layouts import SINGLE, SUFFIX, check_layout, find_layout
from kdc.export.ledger import Row, ledger
from kdc.export.model_file import ORT, files_of, read_model_file
from kdc.export.phone_model import FORM, FORMAT, PLAIN, QUANTIZED, find_phone
from kdc.export.prepare import Prepared, prepare
from kdc.export.quantizers import NONE, QUANTIZERS, methods
from kdc.export.quantizers.situation import Situation
from kdc.export.session import open_session
from kdc.export.targets import check_target
from kdc.export.tokenizer import write_tokenizer
from kdc.export.trials import Gate, Outcome, try_methods

COPY = "student"
"""Stem of the model's copy beside the phone folder."""
_GROWN = 1.05  # times as many bytes, from which on a layout's growth is told
_LIBRARIES = ("kdc", "onnx", "onnxruntime", "tokenizers", "torch", "transformers")


@dataclass(frozen=True)
class Shipped:
    """What an export wrote, and what it tried."""

    folder: Path
    """The phone folder."""
    copy: Path
    """The model beside it, the same bytes as the one inside."""
    prepared: Prepared
    """What was quantized: the student, its vocabulary and its rows."""
    outcome: Outcome
    """The methods that were tried; the last of them ships."""
    ledger: tuple[Row, ...]
    """Where the phone folder's bytes are."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "phone": str(self.folder),
            "model": str(self.copy),
            "exporter": self.prepared.exporter,
            "method": self.outcome.shipped.method,
            "export": self.prepared.export.as_dict(),
            "vocabulary": self.prepared.vocabulary_dict(),
            "length_drop": self.prepared.length_drop and self.prepared.length_drop.as_dict(),
            "tried": self.outcome.as_dict(),
            "metrics": _metrics(self.prepared.student, self.outcome),
            "ledger": [row.as_dict() for row in self.ledger],
        }


def ship(job: ExportJob, progress: Progress) -> Shipped:
    """Export a student, quantize it, check it on dev and write the phone folder.

    `student.onnx` (or `student.ort`) beside the phone folder appears after it. What is stopped on
    the way leaves both as they were; between the two, the copy may be the old one or, with weights
    in a file of its own, missing; the next export then writes it.

    Raises:
        GateFailed: the export is not the student, or no method passes the gate.
        KdcError: an unknown name, an unusable student, or a place that cannot be written.
    """
    chosen = methods(job.method)
    check_exporter(job.exporter)
    check_layout(job.layout, {name: QUANTIZERS[name].session for name in chosen})
    check_target(job.target)
    refuse_inside(job.out, job.student)
    _refuse_foreign_copies(job)
    student, twin = read_student(job.student), _twins(job)[0]
    # which every export beside it writes, whatever its --out is called
    with hold(twin, "an --out in another folder"):
        clear_leftovers(job.out)
        return _ship(job, student, chosen, progress)


def _ship(job: ExportJob, student: Student, chosen: Sequence[str], progress: Progress) -> Shipped:
    # closed in this order: the folder appears, then the copies
    with ExitStack() as copies, whole_folder(job.out, FORM) as folder:
        with TemporaryDirectory(dir=folder) as scratch:
            prepared = prepare(job, student, Path(scratch), progress)
            outcome = try_methods(
                chosen,
                prepared.graph,
                facts(prepared.student, prepared.rows, prepared.dev.lengths),
                Gate(prepared.student, prepared.dev, job.max_drop, prepared.cuts),
                Situation(prepared.calibration, job.length),
                progress,
            )
            model = _place(job, prepared, outcome, folder)
            outcome = _weigh(job, outcome, model, progress)
        before = {file for twin in _twins(job) for file in _files(twin)}
        losers = _losers(job, model)
        copy = _copy(model, job.out.parent, copies)
        _write_phone(job, folder, model, prepared, outcome)
        rows = tuple(ledger(folder))
    for other in before - set(_files(copy)):  # of an export in another layout
        other.unlink(missing_ok=True)
    for twin, loser in losers:
        progress.say(
            f"{twin} replaced, which was the copy of {loser}: phone folders side by side share it, "
            f"so name {loser} itself, or give an --out in another folder"
        )
    return Shipped(job.out, copy, prepared, outcome, rows)


def _place(job: ExportJob, prepared: Prepared, outcome: Outcome, folder: Path) -> Path:
    """Lay the chosen model out in the phone folder; returns its path there."""
    shipped = outcome.shipped
    model = folder / (PLAIN if shipped.method == NONE else QUANTIZED)
    model.parent.mkdir()
    rows = [prepared.dev.row(index)[0].tolist() for index in range(min(4, len(prepared.dev)))]
    return find_layout(job.layout).write(shipped.path, model, rows)


def _weigh(job: ExportJob, outcome: Outcome, model: Path, progress: Progress) -> Outcome:
    """Give what ships the bytes that it has as it is laid out, and say where those are more."""
    if job.layout == SINGLE:
        return outcome
    file, before = read_model_file(model), outcome.shipped.bytes
    if file.size_bytes > _GROWN * before:
        progress.say(
            f"--layout {job.layout} stores the {before / 1e6:.2f} MB of this model's .onnx in "
            f"{file.size_bytes / 1e6:.2f} MB: --layout {SINGLE} is the smaller download"
        )
    return outcome.laid_out(file.size_bytes, file.zip_bytes)


def _copy(model: Path, beside: Path, copies: ExitStack) -> Path:
    """Copy the model, and weights that it names, beside where the phone folder will be.

    They appear when `copies` is closed, the model last; its path is returned.
    """
    first, *weights = read_model_file(model).files
    twin = beside / f"{COPY}{model.suffix}"
    shutil.copyfile(first, copies.enter_context(whole_file(twin)))
    for file in weights:  # entered later, so whole earlier
        shutil.copyfile(file, copies.enter_context(whole_file(beside / file.name)))
    if weights:  # an old model must never stand beside new weights
        for path in (*(beside / file.name for file in weights), twin):  # the last goes first
            copies.push(_removing(path))
    return twin


def _removing(path: Path) -> Callable[..., None]:
    """Return what an ExitStack calls to remove a file where nothing went wrong."""

    def leave(kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            path.unlink(missing_ok=True)

    return leave


def beside(out: Path) -> list[Path]:
    """Return where the model's copy, and weights of it, may be written beside a phone folder."""
    weights = [out.parent / (Path(name).name + SUFFIX) for name in (PLAIN, QUANTIZED)]
    return [out.parent / f"{COPY}{suffix}" for suffix in (".onnx", ORT)] + weights


def _twins(job: ExportJob) -> list[Path]:
    """Return the paths that the model's copy may have."""
    return beside(job.out)[:2]


def _losers(job: ExportJob, model: Path) -> list[tuple[Path, Path]]:
    """Return the copies that the new one takes the place of, with the other folders they are of."""
    found, new = [], sha256(*files_of(model))
    for twin in _twins(job):
        with suppress(KdcError, OSError):  # a folder that is gone or damaged has nothing to lose
            folder = find_phone(twin).folder
            if folder.resolve() != job.out.resolve() and sha256(*files_of(twin)) != new:
                found.append((twin, job.out.parent / folder.name))
    return found


def _refuse_foreign_copies(job: ExportJob) -> None:
    """Raise KdcError where a folder, or a file that no export wrote, is in the copy's place."""
    for twin in _twins(job):
        if twin.is_dir() or twin == job.out:
            raise KdcError(f"{twin} is where the model's copy goes: give another --out")
    weights = [] if job.layout == SINGLE else beside(job.out)[2:]
    ours = {file for twin in _twins(job) for file in _files(twin)}
    ours |= _orphans(job.out, weights)
    for path in (*_twins(job), *weights):
        if path.exists() and path not in ours:
            raise KdcError(
                f"{path} is no file that kdc exported, and the new model's copy would replace it: "
                "move it away, or give another --out"
            )


def _orphans(folder: Path, weights: Sequence[Path]) -> set[Path]:
    """Return weights that the phone folder holds too: their model was about to follow them."""
    try:
        listed = str(read_json(folder / MANIFEST).get("files"))
    except (KdcError, OSError):
        return set()
    return {path for path in weights if path.is_file() and sha256(path) in listed}


def _files(twin: Path) -> tuple[Path, ...]:
    """Return the files of a copy that an export wrote, model and weights; none of another file."""
    with suppress(KdcError):
        file = read_model_file(twin)
        if file.max_length is not None:
            return file.files
    return ()


def _write_phone(
    job: ExportJob, folder: Path, model: Path, prepared: Prepared, outcome: Outcome
) -> None:
    """Write everything but the model, the manifest last."""
    student, tokenizer, shipped = prepared.student, prepared.tokenizer, outcome.shipped
    write_tokenizer(student, folder, tokenizer)
    external = len(read_model_file(model).files) > 1
    write_config(student, folder, shipped.method != NONE, prepared.vocabulary, external=external)
    golden = folder / "golden.json"
    write_golden(golden, open_session(model), tokenizer, student, prepared.dev)
    made_with = {"python": platform.python_version()}
    made_with |= {name: version(name) for name in _LIBRARIES}
    fields = {
        "parent": {"student": prepared.digest, **student.manifest.get("parent", {})},
        "task": student.task.as_dict(),
        "labels": list(student.task.labels),
        "max_length": student.max_length,
        "fixed_length": job.length,
        "quantization": shipped.method,
        "exporter": prepared.exporter,
        "target": job.target,
        "layout": job.layout,
        "vocabulary": prepared.vocabulary_dict(),
        "session": QUANTIZERS[shipped.method].session.as_dict(),
        "metrics": _metrics(student, outcome),
        "parity": {
            "export": prepared.export.as_dict(),
            "shipped": {**shipped.parity.as_dict(), "drop": shipped.drop.as_dict()},
        },
        "made_with": made_with,
    }
    name = model.relative_to(folder).as_posix()
    write_text(folder / "README.md", card(student, shipped, name, fields))
    _refuse_another(prepared)
    write_manifest(folder, FORMAT, fields)


def _refuse_another(prepared: Prepared) -> None:
    """Raise KdcError where the student's folder is no longer the one that was exported."""
    with suppress(OSError):
        if prepared.student.digest == prepared.digest:
            return
    raise KdcError(
        f"{prepared.student.folder} was replaced while it was exported: run the same command again"
    )


def _metrics(student: Student, outcome: Outcome) -> dict[str, Any]:
    shipped = outcome.shipped.score
    scores = {"teacher": student.teacher, "student": student.student, "shipped": shipped}
    return {name: score.as_dict() for name, score in scores.items()}
