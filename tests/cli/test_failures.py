import errno
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from kdc.cli.failures import explain, guarded
from kdc.compress.errors import GateFailed, KdcError


def ending(error: BaseException) -> int:
    """The exit code that a command ends with when it raises `error`."""

    @guarded
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        command()
    return int(caught.value.exit_code)


@pytest.mark.parametrize(
    ("error", "code", "part"),
    [
        (KdcError("phone/ is no phone folder"), 1, "kdc: phone/ is no phone folder"),
        (GateFailed("accuracy 80.0 % is under 90 %"), 3, "accuracy 80.0 %"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "out/x"), 1, "out/x: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 1, "a: permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "b"), 1, "b: the disk is read-only"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (RuntimeError("[ONNXRuntimeError] : std::bad_alloc"), 1, "out of memory"),
        (
            ModuleNotFoundError("no", name="optimum.utils"),
            1,
            "the package optimum is not installed",
        ),
        (ModuleNotFoundError("no", name="kdc.gone"), 1, "internal error"),
        (ValueError("surprise"), 1, "internal error: ValueError: surprise (test_failures.py:"),
    ],
)
def test_every_error_is_one_sentence_and_a_code(
    error: BaseException, code: int, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(error) == code
    printed = capsys.readouterr().err
    assert part in printed
    assert printed.startswith("kdc: ")
    assert printed.count("\n") == 1
    assert "Traceback" not in printed


def test_a_message_of_many_lines_is_put_on_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's message inside ours may hold line ends and escape sequences."""
    ending(KdcError("config.json is damaged:\n  line 1\n\x1b[31mline 2"))
    assert capsys.readouterr().err == "kdc: config.json is damaged: line 1 \\x1b[31mline 2\n"


def test_the_traceback_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KDC_TRACEBACK", "1")
    ending(ValueError("surprise"))
    assert "Traceback" in capsys.readouterr().err


def test_wrong_usage_stays_wrong_usage() -> None:
    """Turned into an internal error, a wrong value would exit with 1 instead of 2."""

    @guarded
    def command() -> None:
        raise typer.BadParameter("no")

    with pytest.raises(typer.BadParameter):
        command()


def test_real_memory_errors_are_recognised() -> None:
    """The libraries' wording is not ours: ask for more than any machine has."""
    import numpy as np
    import torch

    requests: list[Callable[[], object]] = [
        lambda: torch.empty(1 << 55),
        lambda: np.empty(1 << 55),
    ]
    for request in requests:
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            request()
        assert explain(caught.value).startswith("out of memory")


def run(body: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Run a child with one more command, `try`, whose body is given."""
    code = f"import sys, time\nfrom kdc.cli import main\ndef command() -> None:\n    {body}\n"
    code += "main.COMMANDS['try'] = command\nsys.argv = ['kdc', 'try']\nmain.main()\n"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


def test_a_reader_that_leaves_is_no_error() -> None:
    """`kdc list students | head -1` must not end in a BrokenPipeError."""
    child = run("for i in range(100000): sys.stdout.write('x' * 100 + '\\n')")
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    child.wait(20)
    child.stderr.close()


def test_a_full_standard_output_is_one_sentence() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    child = run("sys.stdout.write('x')", stdout=full)
    os.close(full)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 1
    assert errors.startswith(b"kdc: the disk is full")
    assert errors.count(b"\n") == 1
