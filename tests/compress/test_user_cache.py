import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.user_cache import cache_folder

_CRITICAL = """
import sys, time
from pathlib import Path
from kdc.compress.user_cache import one_at_a_time
folder = Path(sys.argv[1])
print("asks", flush=True)
with one_at_a_time(folder):
    alone = not folder.exists()
    folder.mkdir(exist_ok=True)
    time.sleep(0.3)
    folder.rmdir()
    print("alone" if alone else "together", flush=True)
"""


def test_it_lies_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "kdc" and cache_folder().is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "kdc"


def test_a_relative_cache_does_not_move_with_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator is started in a folder of its own and would look for the runner there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache_folder() == tmp_path / "cache" / "kdc"


@pytest.mark.parametrize("home", ["~", None])
def test_a_user_without_a_home_is_told_what_to_set(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: in a container of an unknown user, a traceback, or a folder `~` where one stands."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    if home:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(KdcError, match=r"^there is no home folder .*: set XDG_CACHE_HOME"):
        cache_folder()
    assert not Path("~").exists()


def unknown(number: int) -> NoReturn:
    raise KeyError(f"getpwuid(): uid not found: {number}")


def test_a_cache_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(KdcError, match="cannot be made: set XDG_CACHE_HOME"):
        cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(KdcError, match="cannot be written: set XDG_CACHE_HOME"):
        cache_folder()


def test_two_processes_do_not_build_at_once(tmp_path: Path) -> None:
    """Each would fetch 21 MB, and one could use what the other has just taken away."""
    command = [sys.executable, "-c", _CRITICAL, str(tmp_path / "made")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].split() for process in both] == [
        ["asks", "alone"]
    ] * 2
