"""A sample app's own files, which lie in the package `kdc.sample_apps`."""

from collections.abc import Collection
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def copy_app(name: str, folder: Path, leave: Collection[str] = ()) -> None:
    """Copy the folder `name` of the sample apps.

    Args:
        name: the app's folder.
        folder: where its files go; it is made where it is not there.
        leave: names of files and folders that stay behind, wherever they lie.
    """
    _copy(files("kdc.sample_apps") / name, folder, leave)


def _copy(source: Traversable, target: Path, leave: Collection[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        if item.name in leave:
            continue
        if item.is_dir():
            _copy(item, target / item.name, leave)
        else:
            (target / item.name).write_bytes(item.read_bytes())
