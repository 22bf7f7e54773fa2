"""What Android calls an app: its id, and its name in resources, whatever the user typed."""

import hashlib
import re
import unicodedata
from xml.sax.saxutils import escape

from kdc.compress.errors import KdcError

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)
_SPELT = re.compile(r"[A-Za-z0-9 _-]+")  # names that an id can spell out
_LONGEST = 100  # characters; the id names folders on the phone
_OURS = "app.kdc"


def package_id(wanted: str | None, name: str) -> str:
    """Return an app's id: the one the user gave, or one made from the app's name.

    Two apps of one id replace each other on a phone, so a name that the id cannot spell out
    lends it a digest.

    Args:
        wanted: what the user gave, such as `org.example.demo`.
        name: what the app is called.

    Raises:
        KdcError: what was given is no id.
    """
    if wanted is not None:
        if len(wanted) > _LONGEST or not _ID.fullmatch(wanted):
            raise KdcError(
                f"--package {wanted[:_LONGEST]!a} is no id of an Android app: give names of "
                "letters, digits and _ with dots between them, such as org.example.demo"
            )
        return wanted
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    word = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not _SPELT.fullmatch(name) or not word:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        word = f"{word}_{digest}"
    return f"{_OURS}.{word if word[0].isalpha() else 'app_' + word.strip('_')}"


def resource_string(text: str) -> str:
    """Return a text as the content of a `<string>` in Android's resources.

    Beside XML's own marks, a backslash, quotation marks, and a @ or ? in front mean something
    there; spaces are kept by quotation marks around the whole.
    """
    marked = re.sub(r"([\\'\"])", r"\\\1", text)
    return f'"{escape(marked)}"'
