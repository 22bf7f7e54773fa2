"""Files and folders that are either whole or not there.

Everything is written under a temporary name in the same folder, synced to the disk and renamed.
A folder additionally carries a `manifest.json`, written last, with the sha256 of every file.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError
from kdc.compress.folder_kinds import how_made, mistaken
from kdc.compress.swap import swap

MANIFEST = "manifest.json"
_OF_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")  # what file managers leave everywhere


def sha256(*paths: Path) -> str:
    """Return the hex sha256 of a file, or of several one after the other, read in pieces."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: found)  # which adds to what is there
    return found.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there becomes `path` at once.

    Raises:
        KdcError: the disk is full or the folder cannot be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _sync_file(temporary)
            _open_up(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _open_up(path: Path) -> None:
    """Give a file the mode of any new one; safetensors and `mkstemp` keep theirs to the owner."""
    program = path.stat().st_mode & 0o100
    path.chmod((0o777 if program else 0o666) & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either whole or not there.

    Bytes of a path that are no UTF-8 are written as escapes, which JSON reads back as they were.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file so that it is either whole or not there; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or say in one sentence what is wrong with the file.

    NaN and infinity are no numbers of JSON: whoever writes them again could not.
    """

    def number(text: str) -> float:
        if isfinite(value := float(text)):
            return value
        raise KdcError(f"{path} holds {text[:20]}, which is no number of JSON: make it again")

    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=number, parse_float=number)
    except FileNotFoundError as error:
        raise KdcError(f"{path} is missing") from error
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{path} is not valid JSON: it is damaged or half-written") from error
    if not isinstance(value, dict):
        raise KdcError(f"{path} holds no JSON object: it is not one of kdc's files")
    return value


@contextmanager
def whole_folder(out: Path, form: str) -> Iterator[Path]:
    """Yield a staging folder beside `out`; it takes the place of `out` when the block ends well.

    The block must end by writing the manifest (`write_manifest`). An older folder of the same
    `form` is replaced; anything else found at `out` is left alone.

    Args:
        out: where the finished folder goes.
        form: what the manifest's `format` starts with, such as `kdc.student`.

    Raises:
        KdcError: `out` holds something else, or more, the disk is full or the place cannot be
            written.
    """
    refuse_loss(out, form)
    with disk_errors(out):
        out = out.resolve()  # a link to a folder stays a link
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
        try:
            staging.chmod(0o777 & ~_umask())
            yield staging
            _settle(staging, out)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def refuse_foreign(out: Path, form: str) -> None:
    """Raise KdcError when `out` holds anything but a folder of this `form` or nothing at all."""
    if out.name in ("", "..") or out.is_mount():  # a rename could not take its place
        raise KdcError(f"{out} is no name for a new folder: give --out one, such as {out / 'new'}")
    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir():
        if not any(out.iterdir()):
            return
        with suppress(KdcError):
            if str(read_json(out / MANIFEST).get("format", "")).startswith(f"{form}/"):
                return
    raise KdcError(f"{out} already holds something else: choose another --out or remove it")


def refuse_loss(out: Path, form: str) -> None:
    """Refuse to replace a folder with anything in it that no run of this kind wrote.

    Raises:
        KdcError: `out` holds something else, or beside a folder of this `form` more (named).
    """
    refuse_foreign(out, form)
    with disk_errors(out):
        more = added_to(out) if (out / MANIFEST).is_file() else []
    if more:
        raise KdcError(
            f"{out} holds {more[0]}, which would be lost with the folder that is replaced: choose "
            "another --out or move it away"
        )


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield what a folder holds at any depth that is no folder, links among it, by name."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix(), path


def added_to(folder: Path) -> list[str]:
    """Return the names of what a folder holds beside what its manifest lists."""
    files = read_json(folder / MANIFEST).get("files")
    listed = {MANIFEST, *(files if isinstance(files, dict) else ())}
    return [
        name
        for name, path in files_in(folder)
        if name not in listed and (path.is_symlink() or path.name not in _OF_SYSTEMS)
    ]


def refuse_own_input(out: Path, named: Iterable[tuple[str, str | None]]) -> None:
    """Refuse to replace what a run reads.

    Args:
        out: the folder that it writes.
        named: what it reads, after the options that name it: a folder, another name, or None.

    Raises:
        KdcError: one of them is `out`.
    """
    for option, name in named:
        if name is not None and Path(name).is_dir() and Path(name).resolve() == out.resolve():
            raise KdcError(f"{option} and --out are both {out}: choose another --out")


def refuse_inside(out: Path, source: Path) -> None:
    """Refuse to write into a folder that is read: its manifest lists nothing of what would be new.

    Args:
        out: the folder that a run writes.
        source: the folder that it reads.

    Raises:
        KdcError: `out` lies inside `source`.
    """
    if source.resolve() in out.resolve().parents:
        raise KdcError(f"--out {out} lies inside {source}, which is read: choose another --out")


def _settle(staging: Path, out: Path) -> None:
    """Sync the finished `staging` to the disk and put it where `out` is."""
    for path in staging.rglob("*"):
        if path.is_file():
            _open_up(path)
            _sync_file(path)
        elif path.is_dir() and not path.is_symlink():
            sync_folder(path)
    sync_folder(staging)
    swap(staging, out)
    sync_folder(out.parent)


def write_manifest(folder: Path, form: str, fields: Mapping[str, object]) -> None:
    """Write `manifest.json`: sha256 and bytes of every file of `folder`, then `fields`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in paths
        if path != folder / MANIFEST  # but those of folders inside it
    }
    write_json(folder / MANIFEST, {"format": form, "files": files, **fields})


def read_manifest(folder: Path, form: str, what: str) -> dict[str, Any]:
    """Read a folder's manifest and check every file against it before anything is used.

    Args:
        folder: the folder to read.
        form: the exact format expected, such as `kdc.student/1`.
        what: how to call it to the user, such as `student folder`.

    Raises:
        KdcError: no such folder, another format, or a missing, changed or escaping file (named).
    """
    if not folder.is_dir():
        raise KdcError(f"there is no {what} at {folder}{how_made(form)}")
    if not (folder / MANIFEST).is_file():
        raise KdcError(f"{folder} is no {what}: it has no {MANIFEST} (it is written last)")
    manifest = read_json(folder / MANIFEST)
    found = manifest.get("format")
    if (other := mistaken(form, found)) is not None:
        raise KdcError(f"{folder} {other}")
    if found != form:
        raise KdcError(f"{folder} is no {what} this version reads: {found!r}, wanted {form!r}")
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise KdcError(f"{folder / MANIFEST} lists no files: it is damaged")
    for name, entry in files.items():
        _check_file(folder, name, entry, what)
    return manifest


def _check_file(folder: Path, name: str, entry: object, what: str) -> None:
    path = folder / name
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts or not isinstance(entry, dict):
        raise KdcError(f"{folder / MANIFEST} names a file outside its folder: {name!r}")
    if any((folder.joinpath(*parts[: i + 1])).is_symlink() for i in range(len(parts))):
        raise KdcError(f"{path} is a symbolic link: a {what} holds plain files only")
    if not path.is_file():
        raise KdcError(f"the {what} {folder} is incomplete: {name} is missing")
    if path.stat().st_size != entry.get("bytes") or sha256(path) != entry.get("sha256"):
        raise KdcError(
            f"the {what} {folder} is corrupted: {name} does not match its sha256; make it again"
        )
