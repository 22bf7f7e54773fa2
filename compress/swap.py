"""A finished folder takes another's place, and what killed runs left of that is cleared away."""

import ctypes
import glob
import os
import re
import shutil
from pathlib import Path


def swap(staging: Path, out: Path) -> None:
    """Put the finished `staging` where `out` is, keeping the old one until the new one is there."""
    if not out.exists():
        staging.rename(out)
    elif not _exchange(staging, out):
        _replace(staging, out)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step: a kill finds the old one or the new one.

    Returns:
        False where the system cannot: it is Linux's and macOS's, and not every file system's.
    """
    system, exchange = ctypes.CDLL(None), 2  # RENAME_EXCHANGE, and RENAME_SWAP
    ends = os.fsencode(one), os.fsencode(other)
    if (swap := getattr(system, "renamex_np", None)) is not None:
        return not swap(*ends, exchange)
    rename, here = getattr(system, "renameat2", None), -100  # AT_FDCWD
    return rename is not None and not rename(here, ends[0], here, ends[1], exchange)


def _replace(staging: Path, out: Path) -> None:
    old = staging.with_suffix(".old")
    try:
        out.rename(old)
        staging.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def clear_leftovers(out: Path) -> None:
    """Remove what killed runs left beside `out`, or put it back; for who holds its lock."""
    out = out.resolve()  # a link to a folder stays a link
    for left in out.parent.glob(f".{glob.escape(out.name)}.*"):
        # what mkdtemp makes up is told from the rest of a longer name, whose run may be alive
        if re.fullmatch(r"[a-z0-9_]{8}\.(tmp|old)", left.name[len(out.name) + 2 :]):
            if left.suffix == ".old" and not out.exists():
                left.rename(out)  # killed between the two renames of `_replace`
            else:
                shutil.rmtree(left, ignore_errors=True)
