"""This machine: each job in a fresh Python, so that a model that crashes takes only that along."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kdc.compress.errors import KdcError
from kdc.export.child import Silence, ask
from kdc.export.devices.device import Device, Need
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.machine import cores

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# -P: a numpy.py that lies in the user's folder must not be imported for numpy
PYTHON = [sys.executable, "-P", "-m"]
RUNNER = [*PYTHON, "kdc.export.runner"]
ANSWERING = [*PYTHON, "kdc.export.answering"]
TIME_LIMIT = 300.0  # seconds; the slowest encoders need a few for each run


def measure(job: Job, address: str = "") -> Reading:
    """Run a job in a process of its own.

    Raises:
        KdcError: an address, more threads than cores, or a model that is refused, crashes, is
            killed or hangs.
    """
    _check(job, address)
    return Reading(**_ask(RUNNER, job, "measured"))


def answer(asked: Asked, address: str = "") -> Answers:
    """Answer texts in a process of its own.

    Raises:
        KdcError: as `measure`.
    """
    _check(asked, address)
    return Answers(**_ask(ANSWERING, asked, "run"))


def needs() -> Iterator[Need]:
    """Look for ONNX Runtime, all that this device needs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        yield Need("onnxruntime", True, version("onnxruntime"))
    except PackageNotFoundError:
        yield Need("onnxruntime", False, "not installed", "pip install onnxruntime")


def _check(job: Job | Asked, address: str) -> None:
    if address:
        raise KdcError(f"--device host:{address}: this machine has no address, give host alone")
    if job.threads > cores():
        raise KdcError(f"--threads {job.threads}: give at most {cores()}, this machine's cores")


def _ask(command: list[str], question: "DataclassInstance", done: str) -> dict[str, Any]:
    try:
        return ask(command, question, TIME_LIMIT)
    except Silence as error:
        raise KdcError(_why(getattr(question, "model", ""), done, error)) from error


def _why(model: str, done: str, silence: Silence) -> str:
    if silence.ended is None:
        return (
            f"{model} gave no answer in {TIME_LIMIT:.0f} s and was stopped: "
            "measure shorter texts with --length or a smaller model"
        )
    return f"{model} could not be {done}: its process {_fate(silence.ended)}"


def _fate(child: subprocess.CompletedProcess[str]) -> str:
    if child.returncode == -signal.SIGKILL:
        return "was killed (SIGKILL), most often because memory ran out; try a smaller model"
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        return f"crashed ({name}), so ONNX Runtime cannot run this file; export it again"
    last = (child.stderr.splitlines() or ["it said nothing"])[-1]
    return f"ended with exit code {child.returncode} ({last})"


DEVICE = Device("this machine: its CPU, with ONNX Runtime", measure, answer, needs)
