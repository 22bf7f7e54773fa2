"""The user's cache: what was fetched or built once and can be made again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.locks import lock

_WHERE = "set XDG_CACHE_HOME to a folder that you can write"


def cache_root() -> Path:
    """Return kdc's folder in the user's cache, there or not.

    A relative `XDG_CACHE_HOME` is one of the folder that the command was started in; the XDG
    Base Directory Specification would ignore it, and a user would wonder where the files went.

    Raises:
        KdcError: the user has no home.
    """
    if root := os.environ.get("XDG_CACHE_HOME"):
        return Path(os.path.expanduser(root)).absolute() / "kdc"
    root = os.path.expanduser("~/.cache")
    if not os.path.isabs(root):  # nobody knows the user's home
        raise KdcError(f"there is no home folder to keep a cache in: {_WHERE}")
    return Path(root) / "kdc"


def cache_folder() -> Path:
    """Return kdc's folder in the user's cache, made where it is not there.

    Raises:
        KdcError: the user has no home, or the folder cannot be made or written.
    """
    folder = cache_root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
