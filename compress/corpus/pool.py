"""Worker processes that are handed one thing after another through pipes.

They end with the process that started them, however it ends: a pipe whose other end is gone says
so, and Linux is asked to say it at once.
"""

import ctypes
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from kdc.compress.errors import KdcError

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_PATIENCE = 10.0  # seconds for a worker to end once it is told to


class Pool:
    """Some processes, each of which calls `make(*arguments)` once and the result for every item."""

    def __init__(
        self, workers: int, make: Callable[..., Callable[[Any], None]], *arguments: object
    ) -> None:
        """Start the workers; `make` and its arguments are pickled."""
        context = get_context("spawn")
        self._idle: list[Connection] = []
        self._busy: dict[Connection, BaseProcess] = {}
        self._processes: dict[Connection, BaseProcess] = {}
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
            process.start()
            theirs.close()
            self._processes[ours] = process
            self._idle.append(ours)

    def __enter__(self) -> "Pool":
        """Use the workers."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers: those that are at work finish it, unless something went wrong."""
        for pipe, process in self._processes.items():
            pipe.close()
            if error is not None:
                process.terminate()
        for process in self._processes.values():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()

    def give(self, item: object) -> None:
        """Hand an item to a worker, as soon as one is idle.

        Raises:
            KdcError: an earlier item failed, or a worker was killed.
        """
        while not self._idle:
            self._collect()
        pipe = self._idle.pop()
        try:
            pipe.send(item)
        except OSError as error:
            raise self._lost(self._processes[pipe]) from error
        self._busy[pipe] = self._processes[pipe]

    def finish(self) -> None:
        """Wait until every item is done.

        Raises:
            KdcError: one failed, or a worker was killed.
        """
        while self._busy:
            self._collect()

    def _collect(self) -> None:
        """Take the answers that are there, at least one."""
        for pipe in connection.wait(list(self._busy)):
            assert isinstance(pipe, Connection)
            process = self._busy.pop(pipe)
            try:
                answer = pipe.recv()
            except (EOFError, OSError) as error:
                raise self._lost(process) from error
            if answer is not None:
                expected, text = answer
                raise KdcError(text) if expected else RuntimeError(text)
            self._idle.append(pipe)

    def _lost(self, process: BaseProcess) -> KdcError:
        process.join(_PATIENCE)
        code = process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return KdcError(
            f"a worker process has ended ({how}), perhaps for lack of memory: run the same command "
            "again, with fewer --workers; what is done is kept"
        )


def _serve(
    pipe: Connection, make: Callable[..., Callable[[Any], None]], arguments: tuple[object, ...]
) -> None:
    """Work on what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for who started this
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    with suppress(EOFError, OSError):
        handle: Callable[[Any], None] | None = None
        while True:
            item = pipe.recv()
            try:
                handle = handle or make(*arguments)
                handle(item)
            except KdcError as error:
                pipe.send((True, str(error)))
            except Exception:
                pipe.send((False, traceback.format_exc()))
            else:
                pipe.send(None)
