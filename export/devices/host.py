"""This machine: each job in a fresh Python, so that a model that crashes takes only that along."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

from kdc.compress.errors import KdcError
from kdc.export.child import Silence, ask
from kdc.export.conversation import converse
from kdc.export.devices.device import Device, Need
from kdc.export.fate import fate, out_of_memory_kills
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.machine import cores
from kdc.export.turns import Side, take_turns

# -P: a numpy.py that lies in the user's folder must not be imported for numpy
PYTHON = [sys.executable, "-P", "-m"]
RUNNER = [*PYTHON, "kdc.export.runner"]
WEIGHING = [*PYTHON, "kdc.export.weighing"]
ANSWERING = [*PYTHON, "kdc.export.answering"]
TURNING = [*PYTHON, "kdc.export.turning"]
TIME_LIMIT = 300.0  # seconds beside those to measure; the slowest encoders need a few for each run
_SHORTER = "measure shorter texts with --length or a smaller model"
_FEWER = "judge fewer rows with --rows or a smaller model"


def measure(job: Job, address: str = "") -> Reading:
    """Run a job in a process of its own, and weigh the model in another.

    Raises:
        KdcError: an address, more threads than cores, or a model that is refused, crashes, is
            killed or hangs.
    """
    _check(job, address)
    limit = TIME_LIMIT + 2 * job.seconds
    with _told(job.model, "measured", limit, _SHORTER):
        reading = Reading(**ask(RUNNER, job, limit))
    return replace(reading, memory=_memory(job, reading.memory))


def answer(asked: Asked, address: str = "") -> Answers:
    """Answer texts in a process of its own.

    Raises:
        KdcError: as `measure`.
    """
    _check(asked, address)
    limit = TIME_LIMIT + len(asked.tokens)
    with _told(asked.model, "run", limit, _FEWER):
        return Answers(**ask(ANSWERING, asked, limit))


def turns(jobs: Sequence[Job], address: str = "") -> list[Reading]:
    """Let models, each in a process of its own, take turns.

    Raises:
        KdcError: as `measure`; the model is named, and the other processes are ended.
    """
    for job in jobs:
        _check(job, address)
    with ExitStack() as stack:
        processes = [stack.enter_context(converse(TURNING)) for _ in jobs]

        def side(number: int) -> Side:
            def told(question: object) -> dict[str, Any]:
                with _told(jobs[number].model, "measured", TIME_LIMIT, _SHORTER):
                    return processes[number].ask(question, TIME_LIMIT)

            return told

        return take_turns([side(number) for number in range(len(jobs))], jobs)


def needs() -> Iterator[Need]:
    """Look for ONNX Runtime, all that this device needs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        yield Need("onnxruntime", True, version("onnxruntime"))
    except PackageNotFoundError:
        yield Need("onnxruntime", False, "not installed", "pip install onnxruntime")


def _memory(job: Job, grown: dict[str, int]) -> dict[str, int]:
    """Return where the memory goes.

    `runtime` and `weights` are those of a process that opened the model without prepacking, so
    that `prepacked` is what the measured one gained beyond `weights` by opening it, and `arena`
    by running it. Each is what the system handed out, in different processes and pages, so they
    add up to the private memory only about.
    """
    parts = {"arena": grown["arena"]}
    with suppress(KdcError, Silence):  # some models open with prepacking alone
        weighed = ask(WEIGHING, job, TIME_LIMIT)
        prepacked = max(0, grown["opened"] - weighed["weights"])
        parts = {**weighed, "prepacked": prepacked, **parts}
    return parts


def _check(job: Job | Asked, address: str) -> None:
    if address:
        raise KdcError(f"--device host:{address}: this machine has no address, give host alone")
    if job.threads > cores():
        raise KdcError(f"--threads {job.threads}: give at most {cores()}, this machine's cores")


@contextmanager
def _told(model: str, done: str, limit: float, mend: str) -> Iterator[None]:
    """Tell in a sentence why the model's process gave no answer within `limit` seconds."""
    kills = out_of_memory_kills()
    try:
        yield
    except Silence as error:
        if error.ended is None:
            raise KdcError(
                f"{model} gave no answer in time ({limit:.0f} s) and was stopped: {mend}"
            ) from error
        end = fate(error.ended, kills)
        raise KdcError(f"{model} could not be {done}: its process {end}") from error


DEVICE = Device("this machine: its CPU, with ONNX Runtime", measure, answer, needs, turns)
