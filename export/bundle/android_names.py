"""What Android calls an app: its id, and its name in resources, whatever the user typed."""

import re
from xml.sax.saxutils import escape

from kdc.compress.errors import KdcError
from kdc.export.bundle.naming import OURS, id_word

_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)
_LONGEST = 100  # characters; the id names folders on the phone


def package_id(wanted: str | None, name: str) -> str:
    """Return an app's id: the one the user gave, or one made from the app's name.

    Args:
        wanted: what the user gave, such as `org.example.demo`.
        name: what the app is called.

    Raises:
        KdcError: what was given is no id.
    """
    if wanted is not None:
        if len(wanted) > _LONGEST or not _ID.fullmatch(wanted):
            raise KdcError(
                f"--package {wanted[:_LONGEST]!r} is no id of an Android app: give names of "
                "a to z, digits and _ with dots between them, such as org.example.demo"
            )
        return wanted
    return f"{OURS}.{id_word(name, '_')}"


def resource_string(text: str) -> str:
    """Return a text as the content of a `<string>` in Android's resources.

    Beside XML's own marks, a backslash, quotation marks, and a @ or ? in front mean something
    there; spaces are kept by quotation marks around the whole.
    """
    marked = re.sub(r"([\\'\"])", r"\\\1", text)
    return f'"{escape(marked)}"'
