import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.locks import lock
from tests.faults import refusing


def test_a_second_holder_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    """Bug: two runs write one folder in turns."""
    with (
        lock(tmp_path / "l", "out"),
        pytest.raises(KdcError, match="out is in use by another run"),
        lock(tmp_path / "l", "out"),
    ):
        raise AssertionError
    with lock(tmp_path / "l", "out"):
        pass


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    """Bug: after a crash the user must find and delete a lock file."""
    code = (
        "import sys, time; from pathlib import Path; from kdc.compress.locks import lock\n"
        "with lock(Path(sys.argv[1]), 'x'):\n print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "l")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(KdcError, match="in use"), lock(tmp_path / "l", "x"):
            raise AssertionError
        holder.kill()
    with lock(tmp_path / "l", "x"):
        pass


def test_a_file_system_without_locks_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: on such a disk kdc asks for ever to wait for a run that there is not."""
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    with (
        pytest.raises(KdcError, match="out cannot be locked, which its file system refuses"),
        lock(tmp_path / "l", "out"),
    ):
        raise AssertionError


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Bug: a hidden empty file beside every result, for ever."""
    with lock(tmp_path / "l", "x"):
        assert (tmp_path / "l").is_file()
    assert not list(tmp_path.iterdir())


COUNT = """
import sys
from pathlib import Path
from kdc.compress.locks import lock
from tests.faults import refusing
for _ in range(int(sys.argv[2])):
    with lock(Path(sys.argv[1], "l"), "x", wait=True):
        path = Path(sys.argv[1], "n")
        path.write_text(str(int(path.read_text()) + 1))
"""


def test_those_who_wait_never_hold_it_together(tmp_path: Path) -> None:
    """Bug: one waits for the file that another removes, a third makes it anew, and two go on."""
    (tmp_path / "n").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path), "300"]
    workers = [subprocess.Popen(command) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert (tmp_path / "n").read_text() == "1200"
