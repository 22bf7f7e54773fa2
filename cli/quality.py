"""`kdc bench --data`: how good the file that ships is where it runs, and which answers flipped."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kdc.cli.console import Terminal
from kdc.cli.phone_answers import tokenised
from kdc.cli.relatives import find_student, find_teacher, is_student
from kdc.cli.table import load_table
from kdc.compress.arrays import Array
from kdc.compress.class_heads import class_places, unnamed
from kdc.compress.data.dataset import Dataset
from kdc.compress.data.labels import Known
from kdc.compress.errors import KdcError
from kdc.compress.files import read_json
from kdc.compress.judge import ALL, chosen_rows, folder_answers, refuse_other_table, truth
from kdc.compress.models import find_model
from kdc.compress.progress import some
from kdc.compress.rows import DEFAULT_MAX_LENGTH
from kdc.compress.task import Task
from kdc.export.cpu_profile import NATIVE
from kdc.export.machine import cores
from kdc.export.parity import spread
from kdc.export.phone_model import Phone
from kdc.export.quality import HOST, Rows, answers, judge
from kdc.export.subject import Subject, find_subject


@dataclass(frozen=True)
class Judging:
    """What `--data` and the options around it ask for."""

    data: str
    """The value of `--data`."""
    split: str = "dev"
    """Which of its rows."""
    rows: int | None = None
    """Most rows, evenly spread; None for all."""
    student: Path | None = None
    """A student folder; None for the one beside a phone folder that it was exported from."""
    teacher: str | None = None
    """A model to compare with as well; None for the student's own, where it lies ready."""
    device: str = HOST
    """Where the file that ships answers."""
    threads: int = 1
    columns: dict[str, Any] = field(default_factory=dict)
    """The values of `--dev`, `--text`, `--pair`, `--label` and `--multi-label`."""
    cpu_profile: str = NATIVE
    """A name from `CPU_PROFILES`, for what `device` answers."""


def measure_quality(
    models: Sequence[Path], asked: Judging, terminal: Terminal
) -> list[dict[str, Any]]:
    """Let models answer a table's rows on a device and score them.

    A model without a tokenizer beside it is left out, which is said.

    Returns:
        An entry of the document's `quality` for each model.

    Raises:
        KdcError: no such data, a model of another task, or a device or model that cannot answer.
    """
    if asked.rows is not None and asked.rows < 1:
        raise KdcError(f"--rows {asked.rows}: give a whole number from 1")
    subjects = [find_subject(path) for path in dict.fromkeys(models)]  # all, before any answers
    _check_student(asked.student, subjects)
    columns = dict(asked.columns)
    phone = next((each.phone for each in subjects if each.phone is not None), None)
    known = None if phone is None else Known(phone.task.kind, phone.task.labels)
    dev = columns.pop("dev", None)
    table = load_table(terminal, asked.data, dev, known, asked.split != ALL, **columns)
    bench = _Judge(asked, table, len(subjects) == 1, terminal)
    found = [bench.entry(subject) for subject in subjects]
    return [entry for entry in found if entry is not None]


def _check_student(named: Path | None, subjects: Sequence[Subject]) -> None:
    """Refuse a student of which no model is, where only its own models are compared with it."""
    if named is None or len(subjects) == 1:
        return
    if not any(each.phone is not None and is_student(named, each.phone) for each in subjects):
        raise KdcError(
            f"--student {named}: none of these models was exported from it, and of several only "
            "those that were are compared with it; name one model, or leave it out"
        )


class _Judge:
    """The rows, and the answers of students and teachers, each of which is run once."""

    def __init__(self, asked: Judging, table: Dataset, alone: bool, terminal: Terminal) -> None:
        self.asked = asked
        self.alone = alone
        self.table = table
        self.terminal = terminal
        rows = chosen_rows(table, asked.split)
        self.rows = rows if asked.rows is None else rows.pick(spread(len(rows), asked.rows))
        self._answers: dict[str, tuple[tuple[str, ...], Array]] = {}

    def entry(self, subject: Subject) -> dict[str, Any] | None:
        """Judge one model; None where it has no tokenizer."""
        folder = _tokenizer_folder(subject)
        if folder is None:
            self.terminal.say(
                f"{subject.name} has no tokenizer.json beside it, so its accuracy is not measured"
            )
            return None
        asked, task, length = self.asked, *self._task(subject, folder)
        examples = tokenised(folder / "tokenizer.json", length, self.rows, self.terminal)
        labels = truth(self.table.task, task.labels, self.rows)
        data = f"{self.table.task.name} {asked.split}"
        rows = Rows(replace(examples, labels=labels), task, data)

        def on(device: str, threads: int, profile: str = NATIVE) -> Array:
            model, session = subject.file.path, subject.session
            return answers(model, session, rows.examples, device, threads, self.terminal, profile)

        logits = on(asked.device, asked.threads, asked.cpu_profile)
        others = self._relatives(subject, task)
        if asked.device != HOST:
            # a phone may have more cores than this machine
            others["host"] = on(HOST, min(asked.threads, cores()))
        return judge(subject.name, asked.device, rows, logits, others)

    def _task(self, subject: Subject, folder: Path) -> tuple[Task, int]:
        """Return a model's task, its classes in its own order, and the tokens it reads at most."""
        most = subject.file.fixed_length or subject.file.max_length
        if subject.phone is not None:
            length, theirs = subject.phone.max_length, subject.phone.task
            refuse_other_table(subject.name, theirs.pair, self.asked.data, self.table.task)
            _refuse_fewer_labels(theirs, self.table.task)
            return subject.phone.task, min(length, subject.file.fixed_length or length)
        config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
        names, task = config.get("id2label"), self.table.task
        if task.kind == "classification" and isinstance(names, dict) and _numbered(names):
            ordered = [str(names[key]) for key in sorted(names, key=int)]
            if not unnamed(ordered):
                task = replace(task, labels=tuple(ordered))
        positions = config.get("max_position_embeddings")
        longest = positions if type(positions) is int and positions > 0 else DEFAULT_MAX_LENGTH
        return task, min(DEFAULT_MAX_LENGTH, longest, most or DEFAULT_MAX_LENGTH)

    def _relatives(self, subject: Subject, task: Task) -> dict[str, Array]:
        """Return the answers of the student and the teacher, where there are any."""
        phone, asked = subject.phone, self.asked
        student = self._student(phone)
        teacher: str | Path | None = asked.teacher
        if teacher is None and student is not None:
            teacher = find_teacher(student, self.terminal)
        named = {"student": student, "teacher": teacher}
        return {
            who: self._answered(str(model), task)
            for who, model in named.items()
            if model is not None
        }

    def _student(self, phone: Phone | None) -> Path | None:
        """Return the student that a model was exported from, else the one that the user names.

        Of several models that one is only of use to those that were exported from it.
        """
        named = self.asked.student
        if named is not None and (self.alone or (phone is not None and is_student(named, phone))):
            return named
        return None if phone is None else find_student(phone)

    def _answered(self, name: str, task: Task) -> Array:
        if name not in self._answers:
            self._answers[name] = folder_answers(
                find_model(name, self.terminal), self.rows, self.terminal, "auto"
            )
        labels, logits = self._answers[name]
        return _aligned(name, labels, logits, task)


def _refuse_fewer_labels(theirs: Task, ours: Task) -> None:
    """Refuse data that tell of some of a model's labels only: the others would count as wrong."""
    places = class_places(ours.labels, theirs.labels)  # by number, too
    lacking = [name for number, name in enumerate(theirs.labels) if number not in places]
    if theirs.kind == ours.kind == "multi-label" and lacking:
        raise KdcError(
            f"the data tell nothing of the model's {some(lacking)}: give --label a column for "
            "each of its classes, or judge those that have one with kdc eval"
        )


def _aligned(name: str, labels: Sequence[str], logits: Array, task: Task) -> Array:
    """Bring a model's classes into the order of the file that ships."""
    if task.kind == "regression" or not labels:
        return logits
    places = class_places(task.labels, labels)
    if None not in places:
        return np.asarray(logits[:, [place for place in places if place is not None]])
    missing = task.labels[places.index(None)]
    raise KdcError(f"{name} does not know the class {missing!r}: it was trained for another task")


def _tokenizer_folder(subject: Subject) -> Path | None:
    """Return where a model's tokenizer lies: its phone folder, or a folder that holds the model."""
    if subject.phone is not None:
        return subject.phone.folder
    model = subject.file.path.resolve()
    around = (model.parent, model.parent.parent) if model.parent.name == "onnx" else (model.parent,)
    return next((folder for folder in around if (folder / "tokenizer.json").is_file()), None)


def _numbered(names: dict[str, Any]) -> bool:
    return all(key.isascii() and key.isdigit() for key in names)
