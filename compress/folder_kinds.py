"""The kinds of folders that kdc writes, and what to do where one of another kind was wanted."""

_CALLED = {
    "kdc.tokens": "a folder of token shards",
    "kdc.labels": "a folder of labels",
    "kdc.teacher": "a teacher folder",
    "kdc.encoder": "a general student",
    "kdc.student": "a student folder",
    "kdc.phone": "a phone folder",
    "kdc.app": "an app",
}
_MADE_BY = {
    "kdc.tokens": "kdc corpus",
    "kdc.labels": "kdc label",
    "kdc.teacher": "kdc teacher",
    "kdc.student": "kdc distill",
    "kdc.phone": "kdc export",
}
_ADVICE = {  # (what was wanted, what it is): otherwise the one that was wanted has to be given
    ("kdc.student", "kdc.teacher"): "distil a student from it with kdc distill --teacher",
    ("kdc.student", "kdc.phone"): "give the student folder that it came from",
    ("kdc.phone", "kdc.student"): "run kdc export on it first, and give what that writes",
    ("kdc.phone", "kdc.app"): "give the phone folder that it was made from",
}


def how_made(form: str) -> str:
    """Say which command makes folders of a format, such as `kdc.student/1`; nothing of others."""
    command = _MADE_BY.get(_kind(form))
    return f": {command} makes one, or give another path" if command else ""


def mistaken(wanted: str, found: object) -> str | None:
    """Say what a folder is, and what to do, where it is of another kind than the one wanted.

    Args:
        wanted: a format, such as `kdc.student/1`.
        found: the format that its manifest names, or anything else.

    Returns:
        None where it is of that kind, or of none that is known.
    """
    ours, theirs = _kind(wanted), _kind(found)
    if ours == theirs or theirs not in _CALLED:
        return None
    advice = _ADVICE.get((ours, theirs), f"give {_CALLED.get(ours, 'another')} instead")
    return f"is {_CALLED[theirs]}: {advice}"


def _kind(form: object) -> str:
    return str(form).partition("/")[0]
