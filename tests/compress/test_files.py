import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from kdc.compress.errors import KdcError
from kdc.compress.files import (
    read_json,
    read_manifest,
    sha256,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)
from tests.faults import refusing

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_sha256_of_nothing_is_the_published_value(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == EMPTY_SHA256


class TestWholeFile:
    def test_an_error_keeps_the_old_file_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        """Bug: a failure half-way leaves a half-written file under the final name."""
        write_text(tmp_path / "a", "old")
        with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a") as path:
            path.write_text("half")
            raise ZeroDivisionError
        assert (tmp_path / "a").read_text() == "old"
        assert os.listdir(tmp_path) == ["a"]

    def test_a_keyboard_interrupt_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a"):
            raise KeyboardInterrupt
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (errno.ENOSPC, "the disk is full: free some space"),
            (errno.EDQUOT, "quota"),
            (errno.EROFS, "read-only: choose another place"),
            (errno.EACCES, "permission denied: choose another place"),
        ],
    )
    def test_a_refusing_disk_is_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
    ) -> None:
        """Bug: a full disk shows at fsync, after every write went well, and ends in a traceback."""
        write_text(tmp_path / "a", "old")
        monkeypatch.setattr(os, "fsync", refusing(number))
        with pytest.raises(KdcError, match=words) as caught:
            write_text(tmp_path / "a", "new")
        assert str(tmp_path / "a") in str(caught.value)
        assert (tmp_path / "a").read_text() == "old"
        assert os.listdir(tmp_path) == ["a"]

    def test_a_library_in_rust_that_fills_the_disk_is_one_sentence(self, tmp_path: Path) -> None:
        """Bug: safetensors raises its own class, with the system's reason only in the text."""
        with (
            pytest.raises(KdcError, match="the disk is full"),
            whole_file(tmp_path / "a"),
        ):
            raise Exception("I/O error: No space left on device (os error 28)")

    def test_an_error_that_is_not_the_disks_stays_what_it_is(self, tmp_path: Path) -> None:
        with pytest.raises(ConnectionError), whole_file(tmp_path / "a"):
            raise ConnectionError("about something else")

    def test_a_file_in_the_way_of_a_folder_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(KdcError, match=r"below/a: a part of that path is a file"):
            write_text(tmp_path / "file" / "below" / "a", "x")

    def test_the_new_file_has_the_users_permissions(self, tmp_path: Path) -> None:
        """Bug: mkstemp makes files that only their owner can read, on a shared disk too."""
        old = os.umask(0o027)
        try:
            write_text(tmp_path / "a", "x")
        finally:
            os.umask(old)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640

    def test_a_really_full_disk(self, small_disk: Callable[[int], Path]) -> None:
        disk = small_disk(64)
        write_text(disk / "a", "old")
        with pytest.raises(KdcError, match="the disk is full"):
            write_text(disk / "a", "x" * 200_000)
        assert (disk / "a").read_text() == "old"
        assert os.listdir(disk) == ["a"]

    def test_a_folder_that_really_may_not_be_written(self, tmp_path: Path) -> None:
        if os.getuid():
            pytest.skip("becoming another user takes root")
        context = get_context("fork")
        ours, theirs = context.Pipe()
        child = context.Process(target=write_as_nobody, args=(tmp_path, theirs))
        child.start()
        sentence = ours.recv() if ours.poll(10) else ""
        child.join(10)
        assert "permission denied: choose another place" in sentence
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("/proc/x.json", "no file can be made in that folder"),
            ("file/x", "a part of that path is a file, not a folder"),
            ("x" * 300, "the name is too long"),
        ],
    )
    def test_a_path_where_no_file_can_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, told: str
    ) -> None:
        """Bug: each of them was told as an internal error."""
        monkeypatch.chdir(tmp_path)
        Path("file").touch()
        with pytest.raises(KdcError, match=f"cannot write {name}: {told}"):
            write_text(Path(name), "x")
        assert os.listdir() == ["file"]

    def test_a_missing_file_that_is_read_meanwhile_is_not_the_outputs_fault(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a"):
            (tmp_path / "source").read_bytes()


def write_as_nobody(folder: Path, pipe: Any) -> None:  # noqa: ANN401 - a private class
    os.chdir(folder)
    os.setgid(65534)
    os.setuid(65534)
    try:
        write_text(Path("a"), "x")
    except KdcError as error:
        pipe.send(str(error))


class TestJson:
    def test_nan_is_refused_and_leaves_no_file(self, tmp_path: Path) -> None:
        """Bug: NaN is no JSON, and a phone's parser stops at it."""
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", {"x": float("nan")})
        assert os.listdir(tmp_path) == []

    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        value = {"x": 0.1 + 0.2, "größe": ["é", None, True], "big": 2**60}
        write_json(tmp_path / "a.json", value)
        assert read_json(tmp_path / "a.json") == value

    @pytest.mark.parametrize(
        "damage", [b"", b"{", b'{"a": 1}x', b"\xff\xfe", b"[" * 100_000, b"1" * 5000]
    )
    def test_a_damaged_file_is_named(self, tmp_path: Path, damage: bytes) -> None:
        (tmp_path / "a.json").write_bytes(damage)
        with pytest.raises(KdcError, match=r"a\.json is not valid JSON"):
            read_json(tmp_path / "a.json")

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_what_cannot_be_written_again_is_not_read(self, tmp_path: Path, number: str) -> None:
        """Bug: a NaN in a student's config.json was an internal error when the phone's was made."""
        (tmp_path / "a.json").write_text(f'{{"x": [1.5, {number}]}}')
        with pytest.raises(KdcError, match=rf"a\.json holds {number}, which is no number of JSON"):
            read_json(tmp_path / "a.json")

    def test_a_missing_file_and_another_value_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(KdcError, match=r"a\.json is missing"):
            read_json(tmp_path / "a.json")
        (tmp_path / "a.json").write_text("[1]")
        with pytest.raises(KdcError, match="holds no JSON object"):
            read_json(tmp_path / "a.json")


WRITER = """
import itertools, sys
from pathlib import Path
from kdc.compress.files import *
out = Path(sys.argv[1])
for i in itertools.count():
    write_json(out / "whole.json", {"i": [i] * 5000})
    with whole_folder(out / "folder", "kdc.demo") as folder:
        (folder / "a").write_text(str(i) * 5000)
        (folder / "b").write_text(str(i) * 5000)
        write_manifest(folder, "kdc.demo/1", {})
    if i == 0: print("first", flush=True)
"""


def test_a_writer_killed_at_any_instant_leaves_whole_files(tmp_path: Path) -> None:
    """Bug: kill -9 or a power cut leaves half a file or a mixed folder, or none at all."""
    rng = random.Random(0)
    for _ in range(10):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == b"first\n"
            time.sleep(rng.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
        assert len(set(read_json(tmp_path / "whole.json")["i"])) == 1
        read_manifest(tmp_path / "folder", "kdc.demo/1", "demo")
        a, b = (tmp_path / "folder" / name for name in "ab")
        assert a.read_text() == b.read_text()


def test_a_path_that_is_no_text_is_written_and_read_back(tmp_path: Path) -> None:
    """Bug: `caf\\xe9.csv` ends a run in a UnicodeEncodeError when all is trained."""
    name = os.fsdecode(b"caf\xe9.csv")
    write_json(tmp_path / "a.json", {"data": name})
    assert read_json(tmp_path / "a.json") == {"data": name}


@pytest.mark.skipif(sys.platform != "linux", reason="what is open has its path in /proc alone")
def test_every_folder_is_on_the_disk_before_it_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: after a power cut the folders inside the new one are empty, and the old one is gone."""
    synced, sync = [], os.fsync

    def noting(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    with whole_folder(tmp_path / "out", "kdc.demo") as staging:
        (staging / "a" / "b").mkdir(parents=True)
        (staging / "a" / "b" / "file").write_text("x")
        monkeypatch.setattr(os, "fsync", noting)
    inside = [path.relative_to(staging).as_posix() for path in synced[:-1]]
    assert inside[-1] == "." and {"a", "a/b", "a/b/file"} <= set(inside)
    assert synced[-1] == tmp_path
