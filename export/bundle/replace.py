"""What may lie where an app goes: nothing, or an app of the same kind that nobody has touched.

Nor one that no phone would replace by the new one: Android installs no lower build over a higher
one, and none that another key has signed; an app that has seen a signed model goes back to none of
a lower number.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, added_to, files_in, read_json, refuse_foreign, sha256
from kdc.compress.locks import hold
from kdc.compress.swap import clear_leftovers

_CHOOSE = "choose another --out or remove it"


@dataclass(frozen=True)
class Release:
    """What of an app decides whether it replaces the one before it; an app's manifest holds it."""

    package: str | None
    """The id of a phone's app; None for a page."""
    build: int | None
    """What a phone tells newer apps from older ones by; None for a page."""
    number: int | None
    """The signed model's; None where nothing is signed."""
    public_key: str | None
    """Whose models the app takes; None for an app that asks for no signature."""
    keystore: bool
    """Whether an APK is signed with a key of its maker's."""


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
        if path.is_symlink() or not path.is_file() or sha256(path) != entry.get("sha256"):
            raise KdcError(f"{out} holds {name}, which was changed by hand: {_CHOOSE}")


def check_update(out: Path, new: Release, apk: bool) -> list[str]:
    """Check that an app is an update of the one in its place; other ids are other apps.

    What asks for signatures gives way to nothing that asks for none, whatever its id.

    Args:
        out: the place, which holds an app or nothing.
        new: the app that goes there.
        apk: whether both are APKs.

    Returns:
        What is to be told of an update that not every phone takes by itself.

    Raises:
        KdcError: no phone would take it, or it would ask for no signature any more.
    """
    if not (out / MANIFEST).is_file():
        return []
    old = read_json(out / MANIFEST)
    _refuse_unsigned(out, old, new)
    if old.get("package") != new.package:
        return []
    _refuse_older(out, old, new)
    _refuse_debug(out, old, new, apk)
    told = []
    if old.get("public_key") not in (None, new.public_key):
        told.append(
            f"{out}: another key signs this model than the one before: apps that are installed "
            "take it once they are updated themselves"
        )
    if apk and new.keystore and old.get("keystore") is False:
        told.append(
            f"{out}: the APK before was signed with a debug key: Android installs this one where "
            "that one is uninstalled first"
        )
    return told


def _refuse_older(out: Path, old: dict[str, Any], new: Release) -> None:
    """Raise KdcError where a phone, or an app that is installed, would stay with what it has."""
    if _is_lower(new.build, old.get("build")):
        raise KdcError(
            f"{out} holds build {old['build']} of {new.package}, and no phone installs build "
            f"{new.build} over it: give a --number above {old['build']}, {_CHOOSE}"
        )
    if _is_lower(new.number, old.get("number")):
        raise KdcError(
            f"{out} holds an app whose model has the number {old['number']}, and no app goes back "
            f"to number {new.number}: give a --number above {old['number']}, {_CHOOSE}"
        )


def _refuse_unsigned(out: Path, old: dict[str, Any], new: Release) -> None:
    """Raise KdcError where the app before took signed models only and the new one takes any."""
    if old.get("public_key") is not None and new.public_key is None:
        raise KdcError(
            f"{out} holds an app that takes signed models only, and the new one would ask for no "
            f"signature: give --sign, {_CHOOSE}"
        )


def _refuse_debug(out: Path, old: dict[str, Any], new: Release, apk: bool) -> None:
    """Raise KdcError where the APK before had a key of its maker's and the new one has not."""
    if apk and old.get("keystore") is True and not new.keystore:
        raise KdcError(
            f"{out} holds an APK signed with a keystore, and Android installs none with another "
            f"key over it: give --keystore, {_CHOOSE}"
        )


def _is_lower(new: int | None, old: object) -> bool:
    return new is not None and isinstance(old, int) and new < old
