"""This machine: each job in a fresh Python, so that a model that crashes takes only that along."""

import signal
import subprocess
import sys

from kdc.compress.errors import KdcError
from kdc.export.child import Silence, ask
from kdc.export.machine import cores
from kdc.export.runner import Job, Reading

# -P: a numpy.py that lies in the user's folder must not be imported for numpy
COMMAND = [sys.executable, "-P", "-m", "kdc.export.runner"]
TIME_LIMIT = 300.0  # seconds; the slowest encoders need a few for each run


def measure(job: Job) -> Reading:
    """Run a job in a process of its own.

    Raises:
        KdcError: more threads than cores, or a model that is refused, crashes, is killed or hangs.
    """
    if job.threads > cores():
        raise KdcError(f"--threads {job.threads}: give at most {cores()}, this machine's cores")
    try:
        return Reading(**ask(COMMAND, job, TIME_LIMIT))
    except Silence as error:
        raise KdcError(_why(job, error)) from error


def _why(job: Job, silence: Silence) -> str:
    if silence.ended is None:
        return (
            f"{job.model} gave no answer in {TIME_LIMIT:.0f} s and was stopped: "
            "measure shorter texts with --length or a smaller model"
        )
    return f"{job.model} could not be measured: its process {_fate(silence.ended)}"


def _fate(child: subprocess.CompletedProcess[str]) -> str:
    if child.returncode == -signal.SIGKILL:
        return "was killed (SIGKILL), most often because memory ran out; try a smaller model"
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        return f"crashed ({name}), so ONNX Runtime cannot run this file; export it again"
    last = (child.stderr.splitlines() or ["it said nothing"])[-1]
    return f"ended with exit code {child.returncode} ({last})"
