import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kdc.compress.distill import distill
from kdc.compress.errors import KdcError
from kdc.compress.locks import lock
from kdc.compress.progress import Advance, Silent
from kdc.compress.report import Report
from kdc.compress.workspace import Workspace
from tests.faults import refusing
from tests.folders import digests
from tests.tiny import Recorder, tiny_job, tiny_teacher


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_teacher(tmp_path_factory.mktemp("models") / "teacher")


@pytest.fixture(scope="module")
def done(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("reference") / "student"
    return out, distill(tiny_job(teacher, out), Silent())


class Filling(Recorder):
    """Leaves a disk only some KiB when the trained student is asked for its last answers."""

    def __init__(self, disk: Path, left: int) -> None:
        super().__init__()
        self.disk, self.left = disk, left

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        if what == "the student on test":
            room = os.statvfs(self.disk)
            size = room.f_bavail * room.f_bsize - 1024 * self.left
            (self.disk / "filler").write_bytes(b"x" * size)
        with super().bar(what, total, done) as advance:
            yield advance


class TestRefusals:
    def test_a_folder_that_holds_something_else_is_untouched(
        self, teacher: Path, tmp_path: Path
    ) -> None:
        """Bug: the refusal comes after an hour of training, or the photos are gone."""
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "photo.jpg").write_bytes(b"me")
        progress = Recorder()
        with pytest.raises(KdcError, match="already holds something else"):
            distill(tiny_job(teacher, tmp_path / "out"), progress)
        assert progress.bars == []
        assert (tmp_path / "out" / "photo.jpg").read_bytes() == b"me"
        assert os.listdir(tmp_path) == ["out"]

    @pytest.mark.parametrize("option", ["--teacher", "--student"])
    def test_what_a_run_reads_is_not_replaced_by_it(
        self, teacher: Path, tmp_path: Path, option: str
    ) -> None:
        """Bug: a student distilled further, or its teacher, is gone when the next one is done."""
        job = tiny_job(teacher, teacher)
        if option == "--student":
            job = replace(tiny_job(tmp_path, teacher), student=str(teacher))
        before = digests(teacher)
        (teacher / "manifest.json").write_text('{"format": "kdc.student/1"}')
        with pytest.raises(KdcError, match=f"{option} and --out are both"):
            distill(job, Silent())
        (teacher / "manifest.json").unlink()
        assert digests(teacher) == before

    def test_an_output_in_use_by_another_run(self, teacher: Path, tmp_path: Path) -> None:
        out = tmp_path / "student"
        with (
            lock(Workspace(out).lock, "x"),
            pytest.raises(KdcError, match="student is in use by another run"),
        ):
            distill(tiny_job(teacher, out), Silent())

    @pytest.mark.parametrize(("kib", "site"), [(8, "best-4"), (150, "step-4"), (300, "step-8")])
    def test_a_full_disk_while_training_is_one_sentence(
        self, teacher: Path, small_disk: Callable[[int], Path], kib: int, site: str
    ) -> None:
        """Bug: what the disk refuses to safetensors ends in a traceback."""
        disk = small_disk(kib)
        with pytest.raises(KdcError, match=f"{site}.safetensors: the disk is full: free some"):
            distill(tiny_job(teacher, disk / "student"), Silent())
        assert os.listdir(disk) == [".kdc"]

    @pytest.mark.parametrize("left", [0, 20, 40, 60])
    def test_a_full_disk_at_the_end_loses_no_training(
        self,
        teacher: Path,
        done: tuple[Path, Report],
        small_disk: Callable[[int], Path],
        left: int,
    ) -> None:
        """Bug: 'run it again' without --resume throws the training away; half a folder stays."""
        disk = small_disk(1000)
        with pytest.raises(KdcError, match=r"the disk is full.*the training is kept: add --resume"):
            distill(tiny_job(teacher, disk / "student"), Filling(disk, left))
        assert sorted(os.listdir(disk)) == [".kdc", "filler"]
        (disk / "filler").unlink()
        progress = Recorder()
        distill(tiny_job(teacher, disk / "student", resume=True), progress)
        assert "distilling 1x32: going on at step 12 of 12" in progress.said
        assert digests(disk / "student") == digests(done[0])

    def test_a_read_only_place_is_refused_before_any_work(
        self, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "open", refusing(errno.EROFS))
        progress = Recorder()
        with pytest.raises(KdcError, match="the folder is read-only: choose another place"):
            distill(tiny_job(teacher, tmp_path / "student"), progress)
        assert progress.bars == []
