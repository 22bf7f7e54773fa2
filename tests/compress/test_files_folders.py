import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from kdc.compress import swap
from kdc.compress.errors import KdcError
from kdc.compress.files import (
    read_manifest,
    refuse_foreign,
    sha256,
    whole_folder,
    write_manifest,
    write_text,
)
from kdc.compress.swap import clear_leftovers
from tests.faults import refusing

FORM = "kdc.demo"
FORMAT = "kdc.demo/1"


def make_folder(out: Path, content: str = "new") -> Path:
    with whole_folder(out, FORM) as folder:
        (folder / "deep").mkdir()
        write_text(folder / "a.txt", content)
        write_text(folder / "deep" / "b.txt", content * 2)
        write_manifest(folder, FORMAT, {"note": content})
    return out


class TestWholeFolder:
    def test_an_older_folder_is_replaced_whole(self, tmp_path: Path) -> None:
        """Bug: files of the old folder that the new one lacks stay and are mixed in."""
        out = make_folder(tmp_path / "out", "old")
        (out / "stray").touch()
        write_manifest(out, FORMAT, {"note": "old"})
        make_folder(out, "new")
        assert read_manifest(out, FORMAT, "demo")["note"] == "new"
        assert not (out / "stray").exists()
        assert os.listdir(tmp_path) == ["out"]

    def test_where_folders_cannot_change_places_they_are_renamed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bug: a system without an exchange of names cannot replace a folder at all."""
        make_folder(tmp_path / "out", "old")
        monkeypatch.setattr(swap, "_exchange", lambda one, other: False)
        make_folder(tmp_path / "out", "new")
        assert (tmp_path / "out" / "a.txt").read_text() == "new"
        assert os.listdir(tmp_path) == ["out"]

    def test_every_file_has_the_users_permissions(self, tmp_path: Path) -> None:
        """Bug: safetensors lets only the owner read the weights, on a shared disk too."""
        old = os.umask(0o027)
        try:
            with whole_folder(tmp_path / "out", FORM) as folder:
                (folder / "deep").mkdir()
                save_file({"a": np.zeros(3)}, folder / "deep" / "model.safetensors")
                (folder / "gradlew").touch(0o700)
                write_manifest(folder, FORMAT, {})
        finally:
            os.umask(old)
        found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*")}
        assert found == {
            "deep": 0o750,
            "gradlew": 0o750,
            "model.safetensors": 0o640,
            "manifest.json": 0o640,
        }

    @pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
    def test_a_failure_between_two_renames_brings_the_old_folder_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
    ) -> None:
        """Bug: Ctrl-C between the renames leaves no folder at all under its name."""
        out = make_folder(tmp_path / "out", "old")
        rename = Path.rename

        def fail_onto_out(self: Path, target: Path) -> Path:
            if target == out and self.suffix == ".tmp":
                raise failure
            return rename(self, target)

        monkeypatch.setattr(swap, "_exchange", lambda one, other: False)
        monkeypatch.setattr(Path, "rename", fail_onto_out)
        with pytest.raises((KdcError, KeyboardInterrupt)):
            make_folder(out, "new")
        assert read_manifest(out, FORMAT, "demo")["note"] == "old"
        assert os.listdir(tmp_path) == ["out"]

    def test_an_error_keeps_the_old_folder(self, tmp_path: Path) -> None:
        out = make_folder(tmp_path / "out", "old")
        with pytest.raises(ZeroDivisionError), whole_folder(out, FORM) as folder:
            (folder / "a.txt").write_text("half")
            raise ZeroDivisionError
        assert read_manifest(out, FORMAT, "demo")["note"] == "old"
        assert os.listdir(tmp_path) == ["out"]

    def test_a_full_disk_keeps_the_old_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = make_folder(tmp_path / "out", "old")
        monkeypatch.setattr(os, "fsync", refusing(errno.ENOSPC))
        with pytest.raises(KdcError, match="the disk is full"):
            make_folder(out, "new")
        assert read_manifest(out, FORMAT, "demo")["note"] == "old"
        assert os.listdir(tmp_path) == ["out"]

    def test_a_really_full_disk_keeps_the_old_folder(
        self, small_disk: Callable[[int], Path]
    ) -> None:
        disk = small_disk(96)
        out = make_folder(disk / "out", "old")
        with pytest.raises(KdcError, match="the disk is full"):
            make_folder(out, "new" * 30_000)
        assert read_manifest(out, FORMAT, "demo")["note"] == "old"
        assert os.listdir(disk) == ["out"]

    def test_a_link_to_a_folder_stays_a_link(self, tmp_path: Path) -> None:
        """Bug: the result replaces the user's link to a big disk by a folder on the small one."""
        big = make_folder(tmp_path / "big" / "out", "old")
        (tmp_path / "out").symlink_to(big)
        make_folder(tmp_path / "out", "new")
        assert (tmp_path / "out").is_symlink()
        assert read_manifest(big, FORMAT, "demo")["note"] == "new"
        assert sorted(os.listdir(tmp_path)) == ["big", "out"]


class TestRefuseForeign:
    def test_nothing_an_empty_folder_and_our_own_are_welcome(self, tmp_path: Path) -> None:
        refuse_foreign(tmp_path / "none", FORM)
        (tmp_path / "empty").mkdir()
        refuse_foreign(tmp_path / "empty", FORM)
        refuse_foreign(make_folder(tmp_path / "ours"), FORM)

    @pytest.mark.parametrize("what", ["file", "photos", "other form", "dangling link", "bad json"])
    def test_anything_else_is_left_alone(self, tmp_path: Path, what: str) -> None:
        """Bug: `--out ~/Documents` deletes the user's documents."""
        out = tmp_path / "out"
        if what == "file":
            out.write_text("dear diary")
        elif what == "dangling link":
            out.symlink_to(tmp_path / "nowhere")
        else:
            out.mkdir()
            note = '{"format": "kdc.demonstration/1"}' if what == "other form" else "{"
            (out / ("photo.jpg" if what == "photos" else "manifest.json")).write_text(note)
        with pytest.raises(KdcError, match="already holds something else: choose another --out"):
            make_folder(out)
        assert out.is_symlink() or out.exists()
        assert os.listdir(tmp_path) == ["out"]

    @pytest.mark.parametrize("name", [".", "..", "sub/..", "/"])
    def test_a_place_without_a_name_of_its_own_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Bug: `--out .` trains for an hour, and cannot replace the folder it stands in."""
        (tmp_path / "here" / "sub").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(KdcError, match="no name for a new folder"):
            refuse_foreign(Path(name), FORM)

    def test_a_mounted_disk_is_refused(self, small_disk: Callable[[int], Path]) -> None:
        """Bug: a container's `--out /output` fails at the rename, after all the training."""
        with pytest.raises(KdcError, match="no name for a new folder"):
            refuse_foreign(small_disk(64), FORM)


class TestRefuseLoss:
    @pytest.mark.parametrize("name", ["notes.txt", "best/student.bin", "link"])
    def test_what_a_user_added_is_not_lost(self, tmp_path: Path, name: str) -> None:
        """Bug: a training into the same folder deletes notes and other students in it."""
        out = make_folder(tmp_path / "out", "old")
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).symlink_to("a.txt") if name == "link" else (out / name).write_text("mine")
        with pytest.raises(KdcError, match=f"holds {name}, which would be lost .* move it away"):
            make_folder(out, "new")
        assert read_manifest(out, FORMAT, "demo")["note"] == "old"
        assert os.path.lexists(out / name)

    def test_what_a_file_manager_leaves_is_no_loss(self, tmp_path: Path) -> None:
        out = make_folder(tmp_path / "out", "old")
        (out / "deep" / ".DS_Store").write_text("x")
        assert read_manifest(make_folder(out, "new"), FORMAT, "demo")["note"] == "new"

    def test_a_file_of_its_own_that_lies_elsewhere_is_no_loss(self, tmp_path: Path) -> None:
        """Bug: weights that were moved to another disk, and linked, are in the way of new ones."""
        out = make_folder(tmp_path / "out", "old")
        (out / "a.txt").rename(tmp_path / "moved.txt")
        (out / "a.txt").symlink_to(tmp_path / "moved.txt")
        assert read_manifest(make_folder(out, "new"), FORMAT, "demo")["note"] == "new"
        assert not (out / "a.txt").is_symlink() and (tmp_path / "moved.txt").exists()

    @pytest.mark.parametrize("name", ["file/out", "../here/file/out", "../here/file/deep/out"])
    def test_a_file_where_a_folder_should_be_is_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Bug: an internal error where the path goes through `..`."""
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "file").write_text("x")
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(KdcError, match="a part of that path is a file, not a folder"):
            make_folder(Path(name))


class TestManifest:
    def test_every_file_is_listed_with_its_digest_and_size(self, tmp_path: Path) -> None:
        out = make_folder(tmp_path / "out", "ab")
        listed = json.loads((out / "manifest.json").read_text())["files"]
        assert set(listed) == {"a.txt", "deep/b.txt"}
        done = subprocess.run(["sha256sum", out / "deep/b.txt"], capture_output=True, check=True)
        assert listed["deep/b.txt"] == {"sha256": done.stdout.split()[0].decode(), "bytes": 4}

    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            (lambda out: (out / "a.txt").unlink(), "incomplete: a.txt is missing"),
            (lambda out: (out / "a.txt").write_text("nex"), "corrupted: a.txt does not match"),
            (lambda out: os.truncate(out / "deep/b.txt", 3), "corrupted: deep/b.txt"),
            (lambda out: (out / "manifest.json").unlink(), "it has no manifest.json"),
            (lambda out: os.truncate(out / "manifest.json", 40), "is not valid JSON"),
            (lambda out: shutil.rmtree(out), "there is no demo at"),
        ],
    )
    def test_a_damaged_folder_is_refused_by_name(
        self, tmp_path: Path, damage: Callable[[Path], object], words: str
    ) -> None:
        """Bug: a folder whose copy broke off is used, and answers nonsense."""
        out = make_folder(tmp_path / "out")
        damage(out)
        with pytest.raises(KdcError, match=words):
            read_manifest(out, FORMAT, "demo")

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "deep/../../secret"])
    def test_an_entry_outside_the_folder_is_refused(self, tmp_path: Path, name: str) -> None:
        """Bug: a manifest from elsewhere makes a bundle of the user's private files."""
        out = make_folder(tmp_path / "out")
        (tmp_path / "secret").write_text("x")
        digest = {"sha256": sha256(tmp_path / "secret"), "bytes": 1}
        (out / "manifest.json").write_text(json.dumps({"format": FORMAT, "files": {name: digest}}))
        with pytest.raises(KdcError, match="outside its folder"):
            read_manifest(out, FORMAT, "demo")

    @pytest.mark.parametrize("linked", ["a.txt", "deep"])
    def test_a_link_in_the_folder_is_refused(self, tmp_path: Path, linked: str) -> None:
        """Bug: a link passes the check and is pointed elsewhere afterwards."""
        out = make_folder(tmp_path / "out")
        (out / linked).rename(tmp_path / "moved")
        (out / linked).symlink_to(tmp_path / "moved")
        with pytest.raises(KdcError, match="is a symbolic link"):
            read_manifest(out, FORMAT, "demo")

    @pytest.mark.parametrize("listed", [None, {}, [], "x"])
    def test_a_manifest_without_files_is_damaged(self, tmp_path: Path, listed: object) -> None:
        """Bug: nothing listed means nothing checked, and the folder passes."""
        out = make_folder(tmp_path / "out")
        (out / "manifest.json").write_text(json.dumps({"format": FORMAT, "files": listed}))
        with pytest.raises(KdcError, match="lists no files"):
            read_manifest(out, FORMAT, "demo")

    @pytest.mark.parametrize("entry", [None, 1, "x", {}, {"sha256": 3, "bytes": None}])
    def test_an_entry_of_another_type_is_refused(self, tmp_path: Path, entry: object) -> None:
        out = make_folder(tmp_path / "out")
        (out / "manifest.json").write_text(
            json.dumps({"format": FORMAT, "files": {"a.txt": entry}})
        )
        with pytest.raises(KdcError, match=r"a\.txt"):
            read_manifest(out, FORMAT, "demo")

    def test_another_format_is_named(self, tmp_path: Path) -> None:
        out = make_folder(tmp_path / "out")
        with pytest.raises(KdcError, match=r"'kdc\.demo/1', wanted 'kdc\.demo/2'"):
            read_manifest(out, "kdc.demo/2", "demo")


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    """Bug: every `kill -9` while a folder is written leaves a hidden copy of the model behind."""
    left = (".student.abc_4567.tmp", ".student.abc_4567.old")
    # the second is of a run that writes student.v2, and may be alive
    others = (".students.abc_4567.tmp", ".student.v2.abc_4567.tmp", ".student.txt", "student")
    for name in (*left, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"x")
    clear_leftovers(tmp_path / "student")
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_a_folder_is_put_back_that_a_kill_left_under_its_second_name(tmp_path: Path) -> None:
    """Bug: killed between two renames, a user's model is hidden for good."""
    make_folder(tmp_path / "student", "old").rename(tmp_path / ".student.abc_4567.old")
    clear_leftovers(tmp_path / "student")
    assert read_manifest(tmp_path / "student", FORMAT, "demo")["note"] == "old"
