import signal
import subprocess

import pytest

from kdc.export import fate as module
from kdc.export.fate import fate, out_of_memory_kills


def _ended(code: int, said: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess([], code, "", said)


@pytest.mark.parametrize(
    ("code", "said", "kills", "told"),
    [
        (-signal.SIGKILL, "", 0, "was killed (SIGKILL), most often because memory ran out"),
        (-signal.SIGKILL, "", 1, "ran out of memory and was killed"),
        (-signal.SIGABRT, "terminate called after 'std::bad_alloc'\n", 0, "ran out of memory;"),
        (1, "Traceback\nMemoryError\n", 0, "ran out of memory;"),
        (-signal.SIGSEGV, "", 1, "crashed (SIGSEGV)"),
        (-99, "", 0, "crashed (signal 99)"),
        (3, "oh\nno\n", 0, "ended with exit code 3 (no)"),
        (3, "\n", 0, "ended with exit code 3 (it said nothing)"),
    ],
)
def test_an_end_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, code: int, said: str, kills: int, told: str
) -> None:
    """A kill for want of memory and a crash of the model need different mends."""
    monkeypatch.setattr(module, "out_of_memory_kills", lambda: 7 + kills)
    assert fate(_ended(code, said), kills_before=7).startswith(told)


def test_kills_are_counted_and_only_grow() -> None:
    first = out_of_memory_kills()
    assert 0 <= first <= out_of_memory_kills()
