"""What may lie where an app goes: nothing, or an app of the same kind that nobody has touched."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, read_json, refuse_foreign, sha256
from kdc.compress.locks import hold
from kdc.compress.swap import clear_leftovers

_CHOOSE = "choose another --out or remove it"


@contextmanager
def place_for(out: Path, form: str, kind: dict[str, Any]) -> Iterator[None]:
    """Hold the place where an app goes, and clear away what killed runs left beside it.

    Args:
        out: the place.
        form: what an app's manifest's `format` starts with.
        kind: the fields of the manifest that an app must share with the one it replaces.

    Raises:
        KdcError: another run holds the place, or what is there must not be lost.
    """
    with hold(out):
        refuse_loss(out, form, kind)
        clear_leftovers(out)
        yield


def refuse_loss(out: Path, form: str, kind: dict[str, Any]) -> None:
    """Refuse a place that holds anything which no new bundle would bring back.

    Raises:
        KdcError: it holds something else, another kind of app, or a file that was changed or
            added (it is named).
    """
    refuse_foreign(out, form)
    if not (out / MANIFEST).is_file():  # there is nothing at all
        return
    manifest = read_json(out / MANIFEST)
    if any(manifest.get(name, False) != value for name, value in kind.items()):
        raise KdcError(f"{out} holds another kind of app: {_CHOOSE}")
    files = manifest.get("files")
    listed = files if isinstance(files, dict) else {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if name == MANIFEST or (path.is_dir() and not path.is_symlink()):
            continue
        entry = listed.get(name)
        if not isinstance(entry, dict) or path.is_symlink():
            raise KdcError(f"{out} holds {name}, which is no part of the app: {_CHOOSE}")
        if not path.is_file() or sha256(path) != entry.get("sha256"):
            raise KdcError(f"{out} holds {name}, which was changed by hand: {_CHOOSE}")
