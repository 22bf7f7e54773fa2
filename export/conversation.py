"""A fresh process that is asked line by line, so that several can take turns."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from kdc.compress.errors import KdcError
from kdc.export.child import Silence, told
from kdc.export.process_memory import confine, told_memory

_GRACE = 2.0  # seconds for a process that ends to be gone
_PIECE = 1 << 16


class Conversation:
    """A process that answers each line of JSON on its standard input with one line of JSON."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Any) -> None:  # noqa: ANN401
        """Take a process whose standard error goes to the open file `errors`."""
        self._process, self._errors, self._heard = process, errors, b""

    def ask(self, question: object, seconds: float) -> dict[str, Any]:
        """Ask, and wait at most `seconds` for the answer.

        Raises:
            KdcError: the answer is `{"error": a sentence}`.
            Silence: there is none in time, or the process has ended.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended; what it last said is read below
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return told(self._line(monotonic() + seconds), self._ended)

    def _line(self, until: float) -> bytes:
        """Return the next line, empty at the end."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._heard:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - monotonic()))
            if not ready:
                raise Silence(None)
            piece = os.read(pipe, _PIECE)
            if not piece:
                return b""
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def _ended(self) -> subprocess.CompletedProcess[str]:
        """Return how the process ended, or will have when it has been killed."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace")
        return subprocess.CompletedProcess(self._process.args, code, "", said)


@contextmanager
def converse(command: Sequence[str]) -> Iterator[Conversation]:
    """Start a process for the length of a block; at its end it is gone, whatever it does."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=errors) as process,
    ):
        try:
            yield Conversation(process, errors)
        finally:
            process.kill()


def answer_lines(answer: Callable[[Any], dict[str, Any]]) -> None:
    """Be that process: answer line by line; an expected error is answered as its sentence."""
    confine()
    model: object = None
    for line in sys.stdin:
        question = json.loads(line)
        model = model or question.get("model")  # the first line names it
        try:
            found = answer(question)
        except KdcError as error:
            found = {"error": told_memory(error, model)}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
