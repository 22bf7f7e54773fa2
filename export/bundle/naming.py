"""What an app is called, and the colour that goes with the name."""

import colorsys
import hashlib
import re
import unicodedata
from collections.abc import Sequence

from kdc.compress.errors import KdcError
from kdc.export.letters import JOINERS, is_shown

OURS = "app.kdc"
"""What the ids of apps begin with whose makers gave them none."""
LONGEST = 60  # characters: launchers show a dozen of them
_NOTHING = " " + JOINERS
_SPELT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")  # names that an id can spell out
_MARKED = re.compile(r"(.*-)?[0-9a-f]{8}")  # what looks as if it ended in a digest
_DIGITS = 8
_SATURATION = 0.55
_READABLE = 4.5  # contrast of white letters on the colour (WCAG 2.2, 1.4.3)


def app_name(wanted: str | None, task: str) -> str:
    """Return the name the user gave, or the task's.

    Raises:
        KdcError: it is empty, too long, or holds what no screen shows as it is.
    """
    name = (task if wanted is None else wanted).strip()
    if wanted is None:  # a task may be named by a file, which may be named anything
        name = "".join(c if is_shown(c) else " " for c in name).strip()[:LONGEST]
        name = name if name.strip(_NOTHING) else "Model"
    if not name.strip(_NOTHING):
        raise KdcError("--name is empty: give the name that a phone should show")
    if len(name) > LONGEST:
        raise KdcError(f"--name has {len(name)} characters: give at most {LONGEST}")
    if not all(map(is_shown, name)):
        raise KdcError(f"--name {name!a} holds characters that cannot be shown: leave them out")
    return name


def id_word(name: str, joint: str) -> str:
    """Return a name as a word for an app's id: letters, digits and `joint`; a letter comes first.

    Two apps of one id replace each other on a phone, so a name that is not spelt out letter by
    letter lends its word a digest.

    Args:
        name: what the app is called.
        joint: what stands between parts, `_` or `-`.
    """
    if _SPELT.fullmatch(name) and not _MARKED.fullmatch(name):
        return name.replace("-", joint)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    parts = [*re.findall(r"[a-z0-9]+", plain), digest]
    return joint.join(parts if parts[0][0].isalpha() else ["app", *parts])


def name_colour(name: str) -> str:
    """Return `#rrggbb` of a hue drawn from the name, as light as white letters on it allow."""
    hue = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[0] / 256
    shades = (colorsys.hls_to_rgb(hue, light / 100, _SATURATION) for light in range(60, -1, -1))
    rounded = ([round(part * 255) for part in shade] for shade in shades)
    readable = next(colour for colour in rounded if contrast_with_white(colour) >= _READABLE)
    return "#" + bytes(readable).hex()


def contrast_with_white(colour: Sequence[int]) -> float:
    """Return the contrast of white on a colour (red, green, blue; 0 to 255), 1 to 21 (WCAG)."""
    parts = [part / 255 for part in colour]
    light = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    weighted = zip((0.2126, 0.7152, 0.0722), light, strict=True)
    return 1.05 / (sum(weight * part for weight, part in weighted) + 0.05)
