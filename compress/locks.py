"""Locks between processes: one at a time works on a folder, and a killed one lets go."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError


@contextmanager
def lock(
    path: Path, what: str, *, wait: bool = False, instead: str = "another --out"
) -> Iterator[None]:
    """Hold an exclusive lock for as long as the block runs; a killed process lets go of it.

    The file is gone afterwards, but for that of a killed process, which is in nobody's way.

    Args:
        path: the lock's file.
        what: what it keeps, for who is refused.
        wait: until another run lets go of it.
        instead: what who is refused may choose instead.

    Raises:
        KdcError: another run holds it, and this one does not `wait`.
    """
    handle = _locked(path, what, instead, wait=wait)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # still held: who waits for it finds that it is another file
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether some run holds a lock at this instant; to tell the user, not to rely on."""
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def hold(place: Path, instead: str = "another --out") -> Iterator[None]:
    """Lock the place of a file or folder that is about to be written, and leave no trace beside it.

    Only processes of this machine and user are kept out, and told to choose what `instead` says.

    Raises:
        KdcError: another run holds it.
    """
    digest = hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:16]
    held = Path(tempfile.gettempdir()) / f"kdc-{os.getuid()}-{digest}.lock"
    with lock(held, str(place), instead=instead):
        yield


def _locked(path: Path, what: str, instead: str, *, wait: bool) -> int:
    """Return the open and locked file of that name, which the last holder may have removed."""
    import fcntl

    while True:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
        except BlockingIOError as error:
            os.close(handle)
            raise KdcError(
                f"{what} is in use by another run: wait for it or choose {instead}"
            ) from error
        except OSError as error:
            os.close(handle)
            raise KdcError(
                f"{what} cannot be locked, which its file system refuses ({error.strerror}): "
                f"choose {instead}"
            ) from error
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
