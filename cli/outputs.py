"""Finds out before the work whether its result can be written, and destroys nothing else."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path

from kdc.compress.disk import disk_errors
from kdc.compress.errors import KdcError

_ENDINGS = {"--html": (".html", ".htm"), "--png": (".png",)}


def check_paths(
    outputs: Mapping[str, str | Path | None],
    inputs: Iterable[str | Path],
    *writes: Path,
) -> None:
    """Refuse output files that could not be written, or that would replace something else.

    Nothing is left on the disk. What may be the name of something built in counts as an input
    only where a file or folder of that name exists.

    Args:
        outputs: the path that each option gives; None and `-` are no file.
        inputs: files and folders that are read.
        writes: files and folders that are written, whether they exist or not.

    Raises:
        KdcError: no name, a folder or a device in its place, a folder that cannot be written, one
            path for two outputs, a path that is an input or is written, or lies inside one, the
            ending of another kind of file, or `-` for anything but JSON.
    """
    for option, path in outputs.items():
        if str(path) == "-" and option != "--json":
            raise KdcError(
                f"{option}: - is standard output, where only --json can go: give the name of a file"
            )
    paths = {
        option: Path(path) for option, path in outputs.items() if path is not None and path != "-"
    }
    for option, path in paths.items():
        _check_place(option, path)
    for one, other in permutations(paths, 2):
        if _holds(paths[one], paths[other]):
            raise KdcError(
                f"{other} {paths[other]} is in the way of {one} {paths[one]}: choose another path"
            )
    read = [Path(path) for path in inputs if os.path.exists(path)]
    for option, path in paths.items():
        _refuse_in_the_way(option, path, writes)
        for source in read:
            if _holds(source, path):
                where = "lies inside" if source.is_dir() else "would replace"
                raise KdcError(f"{option} {path} {where} {source}, which is read: choose another")
        _check_ending(option, path)


def _refuse_in_the_way(option: str, path: Path, writes: Iterable[Path]) -> None:
    """Refuse an output where the command itself writes, now or in another run of it."""
    for place in writes:
        if _holds(path, place) or _holds(place, path):
            where = "is in the way of" if _holds(path, place) else "lies inside"
            raise KdcError(f"{option} {path} {where} {place}, which is written: choose another")


def _check_ending(option: str, path: Path) -> None:
    """Refuse a picture or page that other programs would take for what its name says it is."""
    endings = _ENDINGS.get(option)
    if endings and path.suffix.lower() not in endings:
        kind, wanted = option.removeprefix("--").upper(), endings[0]
        raise KdcError(f"{option} {path} would hold {kind}: give it a name that ends in {wanted}")


def _check_place(option: str, path: Path) -> None:
    """Refuse a path where no file can be, and try to write beside it."""
    if path.name in ("", ".."):
        raise KdcError(f"{option} {path} is no name for a file: give it one")
    with disk_errors(path):
        if path.is_dir():
            raise KdcError(f"{option} {path} is a folder: give the name of a file")
        if path.exists() and not path.is_file():  # a rename would replace the device or the pipe
            hint = "; - is standard output" if option == "--json" else ""
            raise KdcError(f"{option} {path} is no regular file: choose another path{hint}")
        folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
        if not folder.is_dir():
            raise KdcError(f"{option} {path}: {folder} is a file, not a folder")
        handle, probe = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=folder)
        os.close(handle)
        os.unlink(probe)


def _holds(outer: Path, inner: Path) -> bool:
    """Return whether `inner` is `outer` or lies inside it, links and spelling aside."""
    place = Path(os.path.realpath(inner))
    return any(_same(Path(os.path.realpath(outer)), path) for path in (place, *place.parents))


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))
