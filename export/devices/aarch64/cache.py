"""Where what was built once is kept."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.locks import lock

_WHERE = "set XDG_CACHE_HOME to a folder that you can write"


def cache_folder() -> Path:
    """Return kdc's folder in the user's cache, made where it is not there.

    Raises:
        KdcError: the user has no home, or the folder cannot be made or written.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(root) if root else Path("~/.cache").expanduser()).absolute() / "kdc"
        folder.mkdir(parents=True, exist_ok=True)
    except RuntimeError as error:
        raise KdcError(f"there is no home folder to keep the arm64 runner in: {_WHERE}") from error
    except OSError as error:
        raise KdcError(f"the cache {folder} cannot be made: {_WHERE}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise KdcError(f"the cache {folder} cannot be written: {_WHERE}")
    return folder


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time make `folder`; others wait, and a killed one lets go."""
    with lock(folder.with_name(f"{folder.name}.lock"), str(folder), wait=True):
        yield
