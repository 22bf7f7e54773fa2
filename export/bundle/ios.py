"""The iOS app: an Xcode project in SwiftUI, written for a model, built by the user's Xcode."""

import plistlib
import re
import shlex
from importlib.resources import files
from pathlib import Path

from kdc.compress.errors import KdcError
from kdc.compress.progress import Progress
from kdc.export.bundle.app import App, BundleJob, Content
from kdc.export.bundle.assets import ASSETS, write_assets
from kdc.export.bundle.copying import copy_app
from kdc.export.bundle.icon import draw_png
from kdc.export.bundle.naming import OURS, id_word
from kdc.export.bundle.size import asset_parts

VECTORS = 2_000
"""Hostile texts that the project's own tests replay."""
_UNICODE = "unicode.txt"
_APP = "App"
_ID = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)  # Apple's CFBundleIdentifier
_LONGEST = 100  # characters
_VARIABLE = re.compile(r"\$[({]")
_ICON = 1024  # pixels, the one size that Xcode asks for


def fill_ios(folder: Path, content: Content, job: BundleJob, progress: Progress) -> None:
    """Write the Xcode project, the model, and the vectors that its tests replay.

    Raises:
        KdcError: a copy differs, or the name or the identifier cannot be used.
    """
    _check_name(content.name)
    from tokenizers import Tokenizer

    from kdc.export.parity_vectors.vectors import as_line, make_vectors

    tokenizer = Tokenizer.from_file(str(content.phone.folder / "tokenizer.json"))
    copy_app("ios", folder, leave=(".build", ".swiftpm", "xcuserdata"))
    unicode = files("kdc.sample_apps") / _UNICODE
    (folder / _APP / _UNICODE).write_bytes(unicode.read_bytes())
    _name_app(folder, content, job.package)
    write_assets(folder / ASSETS, content)
    with (folder / "vectors.jsonl").open("w", encoding="ascii") as lines:
        lines.writelines(f"{as_line(one)}\n" for one in make_vectors(tokenizer, VECTORS, seed=0))


def bundle_id(wanted: str | None, name: str) -> str:
    """Return an app's identifier: the one the user gave, or one made from the app's name.

    Args:
        wanted: what the user gave, such as `org.example.my-app`.
        name: what the app is called.

    Raises:
        KdcError: what was given is no identifier.
    """
    if wanted is None:
        return f"{OURS}.{id_word(name, '-')}"
    if len(wanted) > _LONGEST or not _ID.fullmatch(wanted):
        raise KdcError(
            f"--package {wanted[:_LONGEST]!r} is no identifier of an iOS app: give names of "
            "a to z, digits and - with dots between them, such as org.example.my-app"
        )
    return wanted


def _check_name(name: str) -> None:
    """Refuse a name that a phone would show otherwise; an Info.plist has no way to write it.

    Raises:
        KdcError: Xcode would put a setting of the build, such as the builder's home, into it.
    """
    if _VARIABLE.search(name):
        raise KdcError(
            f"--name {name!r} holds $( or ${{, with which Xcode begins a setting of its own: leave "
            "the $ out"
        )


def _name_app(folder: Path, content: Content, package: str | None) -> None:
    info = folder / "Info.plist"
    fields = plistlib.loads(info.read_bytes())
    fields |= {"CFBundleDisplayName": content.name, "CFBundleVersion": str(content.build)}
    info.write_bytes(plistlib.dumps(fields))
    identifier = bundle_id(package, content.name)
    (folder / "Model.xcconfig").write_text(f"PRODUCT_BUNDLE_IDENTIFIER = {identifier}\n")
    icons = folder / _APP / "Assets.xcassets" / "AppIcon.appiconset"
    (icons / "icon.png").write_bytes(draw_png(content.name, content.colour, _ICON))


def _opens(folder: Path, job: BundleJob) -> str:
    return f"open {shlex.quote(str(folder / 'App.xcodeproj'))}"


IOS = App(
    "an Xcode project in SwiftUI; built by your Xcode",
    fill_ios,
    _opens,
    {**asset_parts(), f"{_APP}/{_UNICODE}": "tokenizer", "vectors.jsonl": "tests", "": "source"},
    id_of=bundle_id,
)
