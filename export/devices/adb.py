"""A phone on a cable: `--device adb`, or `adb:SERIAL` where several are attached.

The arm64 runner is pushed once and kept there; each job has a folder of its own, which is removed.
That runner brings the C library of Linux along. The environment variable KDC_ADB_RUNNER names a
folder with another one, such as an NDK build of the same sources: the program `runner`, a
`libonnxruntime.so` and the libraries that they need.
"""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64.bundle import RUNNER, RUNTIME, runner_bundle, start_command
from kdc.export.devices.aarch64.job_file import (
    Report,
    RunnerError,
    RunnerJob,
    measure_job,
    read_answer,
)
from kdc.export.devices.aarch64.libraries import LOADER
from kdc.export.devices.adb_bridge import attach
from kdc.export.devices.adb_folder import Folder, files_of, run_folder, runner_there
from kdc.export.devices.adb_needs import OWN_RUNNER, needs
from kdc.export.devices.adb_phone import describe_phone, describe_warmth
from kdc.export.devices.device import Device
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.model_file import read_model_file
from kdc.export.options import SessionOptions

TIME_LIMIT = 300.0
"""Seconds beyond those of the job after which the runner is ended, on the phone itself."""
_TEXT_LIMIT = 1.0  # seconds for each text of many
_GRACE = 30.0  # seconds more for the phone to say that it was
_PUSH_LIMIT = 900.0  # seconds for all that is pushed
_NOT_STARTED = (126, 127)  # exit codes of a shell


@dataclass(frozen=True)
class _Told:
    """What one call of the runner told."""

    reports: list[Report]
    where: dict[str, Any]
    """What the phone is, and how warm it was before and after."""


def measure(job: Job, address: str) -> Reading:
    """Do a job in a process of its own on the phone.

    Raises:
        KdcError: there is no such phone, it cannot run the job, it vanished, or the model is
            refused, crashes, is killed or hangs there.
    """
    return turns([job], address)[0]


def turns(jobs: Sequence[Job], address: str) -> list[Reading]:
    """Do several jobs run by run in turns, each in a process of its own.

    Raises:
        KdcError: as `measure`.
    """
    together = replace(jobs[0], seconds=sum(job.seconds for job in jobs))
    limit = TIME_LIMIT + 2 * together.seconds
    models = [job.model for job in jobs]
    told = _run(
        address, models, limit, lambda paths: measure_job([together, *jobs[1:]], paths, limit)
    )
    return [
        Reading(
            load_ms=report.load_ms,
            first_ms=report.first_ms,
            wall_ms=report.wall_ms,
            cpu_ms=report.cpu_ms,
            peak_rss_bytes=report.peak_rss_bytes,
            private_bytes=report.private_bytes,
            onnxruntime=report.onnxruntime,
            where=told.where,
        )
        for report in told.reports
    ]


def answer(asked: Asked, address: str) -> Answers:
    """Answer texts in one process on the phone, each text alone.

    Raises:
        KdcError: as `measure`, or an answer is no number.
    """
    limit = TIME_LIMIT + _TEXT_LIMIT * len(asked.tokens)
    options = SessionOptions.from_dict(asked.session, asked.model)
    texts = list(zip(asked.tokens, asked.types, strict=True))

    def job(paths: Sequence[str]) -> RunnerJob:
        models = [(path, options) for path in paths]
        return RunnerJob("answer", models, texts, threads=asked.threads, limit=limit)

    told = _run(address, [asked.model], limit, job)
    (report,) = told.reports
    logits = [[value for value in row if value is not None] for row in report.logits]
    for number, (row, whole) in enumerate(zip(logits, report.logits, strict=True), 1):
        if len(row) != len(whole):
            raise KdcError(f"{asked.model} answers text {number} with no number: export it again")
    return Answers(logits, report.onnxruntime, told.where)


def _run(
    address: str,
    models: Sequence[str],
    limit: float,
    make: Callable[[Sequence[str]], RunnerJob],
) -> _Told:
    """Run the runner once on a phone and leave nothing there but the runner.

    Args:
        address: the phone's serial, or an empty one.
        models: local paths; one that comes twice is pushed once.
        limit: seconds for the runner.
        make: returns the job for the models' paths on the phone.
    """
    files, paths = _files(models)
    job = make(paths)
    text = job.text()
    bridge = attach(address)
    phone = describe_phone(bridge)
    phone.check(bridge.serial, job.threads)
    runner = _runner()
    with run_folder(bridge, limit + _GRACE + _PUSH_LIMIT) as folder:
        kept = runner_there(folder, runner)
        with NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            folder.put({**files, "job": Path(file.name)})
        before = describe_warmth(bridge)
        reports = _reports(folder, _command(runner, kept), job, models)
        where = {**phone.where, "before": before, "after": describe_warmth(bridge)}
    return _Told(reports, where)


def _files(models: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """Return the local file of each path in the phone's folder, and there each model's path."""
    files: dict[str, Path] = {}
    known: dict[str, str] = {}
    for model in models:
        if model not in known:
            path, number = Path(model), len(known)
            known[model] = f"{number}/{path.name}"
            for part in read_model_file(path).files:
                files[f"{number}/{part.relative_to(path.parent).as_posix()}"] = part
    return files, [known[model] for model in models]


def _runner() -> Path:
    """Return the local folder of the runner: the user's own, or ours.

    Raises:
        KdcError: the user's holds none, or ours cannot be made.
    """
    named = os.environ.get(OWN_RUNNER)
    if not named:
        return runner_bundle()
    folder = Path(named).expanduser()
    missing = [name for name in (RUNNER, RUNTIME) if not (folder / name).is_file()]
    if missing:
        raise KdcError(f"{OWN_RUNNER}={named} holds no {' and no '.join(missing)}: put them there")
    return folder


def _command(runner: Path, kept: str) -> list[str]:
    """Return the words that start the runner where the phone keeps it."""
    if LOADER in files_of(runner):
        return start_command(kept, "job")
    return ["env", f"LD_LIBRARY_PATH={kept}", f"{kept}/{RUNNER}", f"{kept}/{RUNTIME}", "job"]


def _reports(
    folder: Folder, command: list[str], job: RunnerJob, models: Sequence[str]
) -> list[Report]:
    ended = folder.run(command, job.limit + _GRACE)
    serial = folder.bridge.serial
    if not ended.out.strip():
        raise KdcError(f"{models[0]} could not be run on {serial}: {_fate(ended.code, ended.err)}")
    try:
        return read_answer(ended.out, job)
    except RunnerError as error:
        raise KdcError(
            f"{models[error.model]} could not be run on {serial}: {error.reason}"
        ) from error


def _fate(code: int, said: str) -> str:
    last = (said.splitlines() or ["it said nothing"])[-1][:200]
    if code in _NOT_STARTED:
        return f"the phone does not start the runner ({last}); give it another with {OWN_RUNNER}"
    if code == 128 + signal.SIGALRM:
        return "it gave no answer in time and was stopped; measure shorter texts"
    if code == 128 + signal.SIGKILL:
        return "its process was killed (SIGKILL), most often because memory ran out"
    if 128 < code <= 128 + signal.SIGRTMAX:
        names = {number.value: number.name for number in signal.Signals}
        return f"its process crashed ({names.get(code - 128, code - 128)})"
    return f"the runner ended with exit code {code} ({last})"


DEVICE = Device(
    "a phone through adb: `adb:SERIAL`, or `adb` for the only one", measure, answer, needs, turns
)
