"""Faults on purpose: disks that refuse, and children that are killed.

Children are forked from a clean server that has imported torch already: each starts at once.
"""

import errno
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_PATIENCE = 600  # seconds
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["kdc.compress.distill", "tests.tiny"])


def start(target: Callable[..., None], *args: Any) -> BaseProcess:  # noqa: ANN401
    """Start a module's function in a child; the arguments are pickled."""
    child = _CONTEXT.Process(target=target, args=args, daemon=True)
    child.start()
    return child


def exit_code_of(target: Callable[..., None], *args: Any) -> int | None:  # noqa: ANN401
    """Run a module's function in a child to its end, on however busy a machine."""
    child = start(target, *args)
    child.join(_PATIENCE)
    return child.exitcode


def die_at_fsync(number: int) -> None:
    """Have this process killed, as by `kill -9`, at its `number`-th fsync, before it is done."""
    sync, calls = os.fsync, 0

    def deadly(fd: Any) -> None:  # noqa: ANN401 - whatever fsync takes
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(fd)

    os.fsync = deadly


def refusing(number: int) -> Callable[..., Any]:
    """Return a function that fails as the system does, for the reason `number` (an errno)."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def full_disk_at(name: str) -> Callable[[Path], None]:
    """Return what syncs a file, but finds the disk full at those that are to be called `name`."""

    def sync(path: Path) -> None:
        if path.name.startswith(f".{name}."):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    return sync
