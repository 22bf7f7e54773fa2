"""What a user reads when a command fails: one sentence and an exit code, never a traceback."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import typer

from kdc.cli.console import Terminal, visible
from kdc.compress.disk import DISK
from kdc.compress.errors import Finished, KdcError, is_out_of_memory
from kdc.compress.files import read_json

_P = ParamSpec("_P")

_DISK = DISK | {
    errno.EROFS: "the disk is read-only: choose another place",
    errno.EACCES: "permission denied: change its permissions or choose another place",
    errno.EPERM: "permission denied: change its permissions or choose another place",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
}


def guarded(command: Callable[_P, None]) -> Callable[_P, None]:
    """Wrap a command so that whatever it raises ends as one sentence and an exit code."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except (typer.Exit, typer.BadParameter):
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(report(error)) from error

    return run


@contextmanager
def finished_before(terminal: Terminal, *parts: str) -> Iterator[None]:
    """End a command whose run has ended before with what came of it, as a queue may ask again.

    Args:
        terminal: writes the result.
        parts: what of `metrics.json` the command's result holds; all of it where none is named.
    """
    try:
        yield
    except Finished as done:
        found = read_json(done.out / "metrics.json")
        terminal.result({name: found[name] for name in parts or found if name in found})
        terminal.say(str(done))
        raise typer.Exit(done.exit_code) from done


def report(error: BaseException) -> int:
    """Print an error as one sentence, after its traceback if `KDC_TRACEBACK=1` is set.

    Returns:
        The exit code: 1, or what a `KdcError` asks for.
    """
    if isinstance(error, BrokenPipeError):  # the reader has seen enough
        _settle()
        return 1
    if os.environ.get("KDC_TRACEBACK") == "1":
        traceback.print_exception(error)
    sys.stderr.write(f"kdc: {one_line(explain(error))}\n")
    _settle()
    return error.exit_code if isinstance(error, KdcError) else 1


def explain(error: BaseException) -> str:
    """Return what a user should read of an error, in one sentence."""
    if isinstance(error, KdcError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted: nothing half-written was left behind"
    if isinstance(error, OSError) and error.errno in _DISK:
        where = f"{error.filename}: " if error.filename else ""
        return where + _DISK[error.errno]
    if is_out_of_memory(error):
        return "out of memory: close other programs, or use a smaller batch, model or max length"
    if isinstance(error, ModuleNotFoundError) and _package(error) != "kdc":
        return f"the package {_package(error)} is not installed: `kdc doctor` has the command"
    return (
        f"internal error: {_summary(error)}: please report it with what the same command "
        "prints when KDC_TRACEBACK=1 is set"
    )


def one_line(text: str) -> str:
    """Put a message on one line, with nothing in it that a terminal would obey."""
    return visible(" ".join(text.split()))


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "kdc").split(".")[0]


def _summary(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error)[:200]}{where}"


def _settle() -> None:
    """Flush what was printed, or drop it, so that the interpreter does not stumble over it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
