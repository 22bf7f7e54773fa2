"""What a teacher or a data set is called where everybody reads it."""

import os
from pathlib import Path

_HUB = "hf:"  # what data of the Hub begin with; a teacher of the Hub begins with nothing
_AROUND = 4  # folders above a student's own in which its run may have been started


def public_name(name: str, student: Path, slashes: int = 0) -> str:
    """Return a name of the Hub whole, and of a path the last part.

    Whose model it is belongs to a model's name, but the folders above a file are the user's own
    affair, and of no use elsewhere. `owner/name` may be either: it is a path where there is such a
    file or folder, here or in one of the folders around the student.

    Args:
        name: what the user of `kdc distill` gave.
        student: the student folder whose run it belongs to.
        slashes: the most that a name of the Hub has; data of the Hub, which begin with `hf:`, have
            up to two.
    """
    prefix = _HUB if name.startswith(_HUB) else ""
    bare = name.removeprefix(prefix)
    most = 2 if prefix else slashes
    places = [Path(), *student.resolve().parents[:_AROUND]]
    # of os: a name may be too long for any file
    lies = any(os.path.exists(place / bare) for place in places)
    if lies or bare.startswith(("/", ".", "~")) or bare.count("/") > most:
        return prefix + bare.rstrip("/").rpartition("/")[2]
    return name
