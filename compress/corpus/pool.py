"""Worker processes that are handed one thing after another through pipes.

They end with the process that started them, however it ends: a pipe whose other end is gone says
so, and Linux is asked to say it at once. They say nothing themselves: Ctrl-C is for who started
them.
"""

import ctypes
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.interrupts import Interrupts

_HELD = (signal.SIGINT, signal.SIGTERM)
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_PATIENCE = 10.0  # seconds for a worker to end once it is told to


class Pool:
    """Some processes, each of which calls `make(*arguments)` once and the result for every item."""

    def __init__(
        self, workers: int, make: Callable[..., Callable[[Any], None]], *arguments: object
    ) -> None:
        """Allow so many workers; one starts when an item finds no other idle.

        `make` and its arguments are pickled.
        """
        self._workers, self._begin = workers, (make, arguments)
        self._idle: list[Connection] = []
        self._busy: dict[Connection, BaseProcess] = {}
        self._processes: dict[Connection, BaseProcess] = {}

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
        if not self._idle and len(self._processes) < self._workers:
            self._start()
        while not self._idle:
            self._collect()
        pipe = self._idle.pop()
        self._send(pipe, self._processes[pipe], item)
        self._busy[pipe] = self._processes[pipe]

    def finish(self) -> None:
        """Wait until every item is done.

        Raises:
            KdcError: one failed, or a worker was killed.
        """
        while self._busy:
            self._collect()

    def _start(self) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _undisturbed():
            process.start()
        theirs.close()
        self._processes[ours] = process
        self._send(ours, process, self._begin)
        self._idle.append(ours)

    def _send(self, pipe: Connection, process: BaseProcess, item: object) -> None:
        try:
            pipe.send(item)
        except OSError as error:
            raise self._lost(process) from error

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


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait while a process is started, or it would be left with half of its pickle.

    It inherits that they are blocked, and so never hears a terminal's Ctrl-C.

    Raises:
        KeyboardInterrupt: one came meanwhile.
    """
    resource_tracker.ensure_running()  # it would let them through again
    with Interrupts() as interrupts:  # other threads do not block them
        old = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
    if interrupts.asked:
        raise KeyboardInterrupt


def _serve(pipe: Connection) -> None:
    """Make what handles items of what comes first, and let it, until the pipe is closed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    with suppress(EOFError, OSError):
        make, arguments = pipe.recv()
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
