"""Running one cell of the grid with the user's own commands, as often stopped as need be."""

import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from grid import TASKS, Cell

from kdc.compress.files import read_json, write_json, write_text
from kdc.compress.toml import to_toml
from kdc.export.machine import describe_machine

KDC = str(Path(sys.executable).with_name("kdc"))  # the one beside this Python
SHARED = Path(__file__).parents[2] / "shared" / "data"


class Refused(Exception):
    """What a command said as it failed; the next start tries the cell again."""


class _Terminated(KeyboardInterrupt):
    """Somebody ended this process, and not, as Ctrl-C does, the command as well."""


@dataclass(frozen=True)
class Places:
    """Where things are read from and written to."""

    work: Path
    """Students, teachers and kept answers, a folder a task."""
    data: Path
    teachers: Path | None
    """Teachers that there are already; None makes them."""
    controls: bool = False
    """Train the control of as many steps beside each cell."""
    keep: bool = False
    """Keep the student folders: 70 MB each."""


@dataclass
class Spent:
    """What a cell has taken so far, over all starts, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn a request to end into an exception, so that the command at hand saves its state."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_cell(cell: Cell, places: Places) -> dict[str, Any]:
    """Distil the student of a cell and return what is worth keeping of it.

    A run that was stopped goes on, and one that ended without being noted is only read.

    Raises:
        Refused: the teacher or the student could not be made.
        KeyboardInterrupt: stopped; the state is kept.
    """
    here = places.work / cell.task
    student, clock = here / cell.name, here / f"{cell.name}.spent.json"
    teacher = _teacher(cell.task, places)
    spent = Spent(**read_json(clock)) if clock.is_file() else Spent()
    if not (student / "metrics.json").is_file():
        recipe = here / f"{cell.name}.toml"
        write_text(recipe, to_toml(cell.recipe.as_dict()))
        command = ["distill", "--data", _data(cell.task, places), "--teacher", str(teacher)]
        command += [
            "--student",
            str(cell.origin or cell.student),
            "--recipe",
            str(recipe),
            "--seed",
            str(cell.seed),
        ]
        command += ["--controls" if places.controls else "--no-controls"]
        _run([*command, "--out", str(student), "--resume"], here / f"{cell.name}.log", spent, clock)
    left = _left(student, spent)
    if not places.keep:
        shutil.rmtree(student)
    return left


def _teacher(task: str, places: Places) -> Path:
    """Return a task's teacher; makes it where there is none."""
    if places.teachers is not None:
        if not (places.teachers / task).is_dir():
            raise Refused(f"there is no teacher {places.teachers / task}")
        return places.teachers / task
    folder = places.work / "teachers" / task
    if not (folder / "metrics.json").is_file():
        command = ["teacher", "--model", "minilm", "--data", _data(task, places)]
        command += [*TASKS[task].teacher, "--out", str(folder), "--resume"]
        _run(command, folder.with_name(f"{task}.log"), Spent(), folder.with_name(f"{task}.json"))
    return folder


def _data(task: str, places: Places) -> str:
    """Return the value of `--data`: a folder, or the name of what is built in."""
    folder = places.data / TASKS[task].data
    return str(folder) if folder.is_dir() else TASKS[task].data


def _run(command: list[str], log: Path, spent: Spent, clock: Path) -> None:
    """Run a command of kdc's to its end, and add its time to `spent` whatever the end is."""
    log.parent.mkdir(parents=True, exist_ok=True)
    began, before = time.monotonic(), _children_cpu()
    try:
        with (
            log.open("w", encoding="utf-8") as said,
            subprocess.Popen([KDC, *command, "--quiet"], stdout=said, stderr=said) as child,
        ):
            try:
                code = child.wait()
            except KeyboardInterrupt as stop:
                if isinstance(stop, _Terminated):
                    child.terminate()  # which the command takes as it does Ctrl-C
                child.wait()
                raise
    finally:
        spent.wall += time.monotonic() - began
        spent.cpu += _children_cpu() - before
        write_json(clock, vars(spent))
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
        raise Refused(f"{lines[-1] or f'it ended with {code}'} ({log})")


def _children_cpu() -> float:
    """Return CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _left(student: Path, spent: Spent) -> dict[str, Any]:
    """Return the scores of a student folder: fractions, with the split before the model."""
    metrics = read_json(student / "metrics.json")
    run = tomllib.loads((student / "recipe.toml").read_text(encoding="utf-8"))["run"]
    dev = {who: metrics[who] for who in ("student", "teacher")} | metrics["baselines"]
    splits = {"dev": dev} | ({"test": metrics["test"]} if "test" in metrics else {})
    last = {row["stage"]: row["step"] for row in metrics["history"]}
    return {
        "teacher_sha256": run["teacher_sha256"],
        "data_sha256": run["data_sha256"],
        "metric": metrics["student"]["metric"],
        "scores": {
            split: {
                who: {name: score[name] for name in ("value", "interval", "n")}
                for who, score in scores.items()
            }
            for split, scores in splits.items()
        },
        "retained": metrics["retained"],
        "agreement": metrics["agreement"],
        "steps": int(sum(last.values())),
        "wall_seconds": round(spent.wall, 1),
        "cpu_seconds": round(spent.cpu, 1),
        "cpu": describe_machine()["cpu"],
    }
