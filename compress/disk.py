"""What a disk refuses, as one sentence."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdc.compress.errors import KdcError

DISK = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EIO: "the disk failed to read or write: check the disk",
    errno.EMFILE: "too many open files: raise the limit with ulimit -n",
}
"""What a disk says no to, read or written, and what to do about it."""

_REFUSED = DISK | {
    errno.EROFS: "the folder is read-only: choose another place",
    errno.EACCES: "permission denied: choose another place or change its owner",
    errno.EPERM: "permission denied: choose another place or change its owner",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
    errno.EISDIR: "there is a folder of that name where a file was expected",
}
_NO_PLACE = {  # only of the path itself: what is done meanwhile can fail so for other reasons
    errno.ENOENT: "no file can be made in that folder",
    errno.EEXIST: _REFUSED[errno.ENOTDIR],
    errno.EBUSY: "the system is using that place: choose another path",
    errno.ENAMETOOLONG: "the name is too long",
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses (full, read-only, no such folder) into one sentence."""
    try:
        yield
    except Exception as error:
        reasons = _REFUSED | (_NO_PLACE if _concerns(error, path) else {})
        if (number := _errno(error)) not in reasons:
            raise
        raise KdcError(f"cannot write {path}: {reasons[number]}") from error


def _errno(error: Exception) -> int | None:
    """Return the system's reason for an error; libraries in Rust carry it only in their text."""
    if isinstance(error, OSError):
        return error.errno
    found = None if isinstance(error, KdcError) else re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _concerns(error: Exception, path: Path) -> bool:
    """Return whether an error names `path`, a folder above it or its temporary name."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str | os.PathLike):
        return False
    named, whole = (Path(os.path.realpath(each)) for each in (error.filename, path))  # no ..
    names = (f".{path.name}.", f".{whole.name}.")
    return named in (whole, *whole.parents) or named.name.startswith(names)
