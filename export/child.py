"""One question to a fresh process and its answer, both as JSON: what may crash goes there."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kdc.compress.errors import KdcError
from kdc.export.process_memory import confine, told_memory

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Ended = Callable[[], "subprocess.CompletedProcess[str]"]
"""Tells how a process ended, with what it said on standard error."""


class Silence(Exception):
    """The process ended without an answer, or gave none in time."""

    def __init__(self, ended: subprocess.CompletedProcess[str] | None) -> None:
        """Keep how it ended; None where it was stopped for being late."""
        super().__init__("no answer")
        self.ended = ended


def ask(command: Sequence[str], question: "DataclassInstance", seconds: float) -> dict[str, Any]:
    """Run a command, the question on its standard input; the answer is the last line it prints.

    Raises:
        KdcError: the answer is `{"error": a sentence}`.
        Silence: there is none within `seconds`.
    """
    try:
        child = subprocess.run(
            command,
            input=json.dumps(asdict(question)),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise Silence(None) from error
    if child.returncode or not child.stdout:
        raise Silence(child)
    return told(child.stdout.splitlines()[-1], lambda: child)


def told(line: str | bytes, ended: Ended) -> dict[str, Any]:
    """Read a line of answer; `ended` says how the process ended where it is none.

    Raises:
        KdcError: the answer is `{"error": a sentence}`.
        Silence: it is no answer at all.
    """
    try:
        answer: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise Silence(ended()) from error
    if "error" in answer:
        raise KdcError(answer["error"])
    return answer


def answer_one(answer: "Callable[[dict[str, Any]], DataclassInstance]") -> None:
    """Be that process: answer one question; an expected error is answered as its sentence."""
    confine()
    question = json.load(sys.stdin)
    try:
        found = asdict(answer(question))
    except KdcError as error:
        found = {"error": told_memory(error, question.get("model"))}
    sys.stdout.write(json.dumps(found) + "\n")
