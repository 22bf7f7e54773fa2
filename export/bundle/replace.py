"""What may lie where an app goes: nothing, or an app of the same kind that nobody has touched."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, added_to, files_in, read_json, refuse_foreign, sha256
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
    if more := added_to(out):
        raise KdcError(f"{out} holds {more[0]}, which is no part of the app: {_CHOOSE}")
    files = manifest.get("files")
    listed = files if isinstance(files, dict) else {}
    for name, path in files_in(out):
        if name not in listed:  # the manifest itself, and what file managers leave
            continue
        entry = listed[name] if isinstance(listed[name], dict) else {}
        if not path.is_file() or sha256(path) != entry.get("sha256"):
            raise KdcError(f"{out} holds {name}, which was changed by hand: {_CHOOSE}")
