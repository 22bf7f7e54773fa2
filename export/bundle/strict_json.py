"""JSON that Python reads and an app does not: names that occur twice, and numbers that are none."""

import json
from pathlib import Path
from typing import Any

from kdc.compress.errors import KdcError

_SHOWN = 40  # characters of a foreign name


def read_strict(path: Path) -> dict[str, Any]:
    """Read an object of JSON that every app reads, and reads the same in.

    Raises:
        KdcError: it is no JSON or no object, one has a name twice, or a number is NaN or infinite.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_number)
    except _Odd as odd:
        raise KdcError(f"{path} {odd}, which not every app reads: export it again") from odd
    except (ValueError, RecursionError) as error:
        raise KdcError(f"{path} is not valid JSON: export it again") from error
    if not isinstance(value, dict):
        raise KdcError(f"{path} holds no JSON object: export it again")
    return value


class _Odd(Exception):
    """What is odd about a file."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Odd(f"has {twice[:_SHOWN]!a} twice in one object")
    return found


def _refuse_number(name: str) -> Any:  # noqa: ANN401 - as json has it
    raise _Odd(f"holds {name}, which is no number of JSON")
