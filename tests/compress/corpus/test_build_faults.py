"""Kills and full disks: the same command afterwards comes to the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.corpus.build import CorpusJob, build_corpus
from kdc.compress.corpus.finish import finish
from kdc.compress.corpus.pool import Pool
from kdc.compress.errors import KdcError
from kdc.compress.progress import Silent
from tests.compress.corpus.texts import bytes_of
from tests.faults import die_at_fsync, exit_code_of, start


def _build(job: CorpusJob) -> None:
    build_corpus(job, Silent())


def test_kill_9_at_any_instant_and_the_same_command_comes_to_the_same_bytes(
    job: CorpusJob, tmp_path: Path
) -> None:
    """Bug: half a part is taken for a whole one, or a part counts twice."""
    ours = replace(job, out=tmp_path / "out")
    state, rng, kills = tmp_path / ".kdc" / "runs" / "out", random.Random(0), 0
    for _ in range(12):
        child = start(_build, ours)
        seen = len(list(state.glob("part*")))
        while child.is_alive() and len(list(state.glob("part*"))) <= seen:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        kills += child.is_alive()
        child.kill()
        child.join()
    assert kills >= 3
    assert build_corpus(ours, Silent()) is not None
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)


@pytest.mark.parametrize("number", range(1, 12))
def test_kill_9_while_the_folder_is_put_together(
    job: CorpusJob, number: int, tmp_path: Path
) -> None:
    ours = replace(job, out=tmp_path / "out")
    assert exit_code_of(_die_while_finishing, ours, number) == -signal.SIGKILL
    assert not (tmp_path / "out" / "manifest.json").exists()
    build_corpus(ours, Silent())
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)
    assert not list(tmp_path.glob(".out.*"))


def _die_while_finishing(job: CorpusJob, number: int) -> None:
    from kdc.compress.corpus import build

    def deadly(*arguments: Any) -> list[str]:  # noqa: ANN401
        die_at_fsync(3 * number)
        return finish(*arguments)

    pytest.MonkeyPatch().setattr(build, "finish", deadly)
    build_corpus(job, Silent())


def test_kill_9_between_the_folder_and_the_removal_of_its_parts(
    job: CorpusJob, tmp_path: Path
) -> None:
    """Bug: a corpus's size on the disk twice, for ever: the next run says that nothing is to do."""
    ours = replace(job, out=tmp_path / "out")
    assert exit_code_of(_die_before_parts_are_removed, ours) == -signal.SIGKILL
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)
    assert list((tmp_path / ".kdc" / "runs" / "out").glob("part-*"))
    build_corpus(ours, Silent())
    assert not (tmp_path / ".kdc" / "runs" / "out").exists()


def _die_before_parts_are_removed(job: CorpusJob) -> None:
    from kdc.compress.corpus import build

    def deadly(*arguments: Any) -> list[str]:  # noqa: ANN401
        pytest.MonkeyPatch().setattr(
            shutil, "rmtree", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        )
        return finish(*arguments)

    pytest.MonkeyPatch().setattr(build, "finish", deadly)
    build_corpus(job, Silent())


COMMAND = """
from pathlib import Path
from kdc.compress.corpus.build import CorpusJob, build_corpus
from kdc.compress.corpus.settings import Settings
from kdc.compress.progress import Silent
if __name__ == "__main__":
    build_corpus({}, Silent())
"""


def _alive_in(group: int) -> list[str]:
    """Return the command lines of a process group; the dead whom nobody fetched do not count."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                alive.append((stat.parent / "cmdline").read_text())
    return alive


@pytest.mark.slow
def test_workers_end_with_who_started_them(job: CorpusJob, tmp_path: Path) -> None:
    """Bug: after kill -9 the workers stay behind, and wait for work for ever."""
    ours = replace(job, out=tmp_path / "out", workers=3)
    script = tmp_path / "run.py"
    script.write_text(COMMAND.format(repr(ours).replace("PosixPath", "Path")))
    state = tmp_path / ".kdc" / "runs" / "out"
    for _ in range(3):
        child = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
        seen = len(list(state.glob("part*")))
        while child.poll() is None and len(list(state.glob("part*"))) <= seen:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        latest = time.monotonic() + 60  # one that was just started imports first, on a busy machine
        while _alive_in(child.pid) and time.monotonic() < latest:
            time.sleep(0.1)
        assert _alive_in(child.pid) == []
    assert build_corpus(ours, Silent()) is not None
    assert bytes_of(tmp_path / "out") == bytes_of(job.out)


def test_a_full_disk_ends_in_a_sentence_and_is_gone_on_from(
    job: CorpusJob, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(900)
    ours = replace(job, out=disk / "out")
    filler = disk / "filler"
    filler.write_bytes(bytes(760_000))
    with pytest.raises(KdcError, match="the disk is full"):
        build_corpus(ours, Silent())
    filler.unlink()
    build_corpus(ours, Silent())
    assert bytes_of(disk / "out") == bytes_of(job.out)


def test_no_more_workers_start_than_there_is_work_for() -> None:
    """Bug: --workers 10000 brings the machine to its knees over a file of one part."""
    with Pool(10_000, _patient) as pool:
        for number in range(3):
            pool.give(number)
        pool.finish()
        assert 1 <= len(active_children()) <= 3


def _patient() -> Callable[[int], None]:
    return lambda number: None


def test_a_worker_that_is_killed_ends_the_run_in_a_sentence(job: CorpusJob, tmp_path: Path) -> None:
    with pytest.raises(KdcError, match=r"signal 9.*fewer --workers"), Pool(2, _killer) as pool:
        for number in range(4):
            pool.give(number)
        pool.finish()


DISTURBED = """
import os, signal, sys, time
from multiprocessing import util
signal.signal(signal.SIGINT, signal.default_int_handler)
spawn = util.spawnv_passfds
def disturbed(path, arguments, handles):
    process = spawn(path, arguments, handles)
    if "spawn_main" in str(arguments):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(40 if {both} else 0):
            time.sleep(0.01)
            os.kill(process, signal.SIGINT)
    return process
if __name__ == "__main__":
    util.spawnv_passfds = disturbed
    from kdc.compress.corpus.pool import Pool
    try:
        with Pool(2, print) as pool:
            pool.give(1)
            print("not interrupted")
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("both", [False, True])
def test_a_worker_that_is_being_started_says_nothing_at_ctrl_c(both: bool, tmp_path: Path) -> None:
    """Bug: a worker's traceback of a truncated pickle below the sentence of who started it."""
    script = tmp_path / "run.py"
    script.write_text(DISTURBED.format(both=both))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def _killer() -> Callable[[int], None]:
    def kill(number: int) -> None:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill
