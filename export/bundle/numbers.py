"""Numbers that grow from one release to the next: of a signed model, and of an app of a phone."""

import os
import time

from kdc.compress.errors import KdcError

HIGHEST = 2**53 - 1
"""Of a model: the largest whole number that JavaScript tells from its neighbours."""
HIGHEST_BUILD = 2_100_000_000
"""Of an app: what shops for Android take."""
_2020 = 1_577_836_800  # seconds since 1970
_CLOCK = "SOURCE_DATE_EPOCH"  # reproducible-builds.org/specs/source-date-epoch


def model_number(given: int | None) -> int:
    """Return the number that is signed with a model: the one given, or seconds since 1970.

    Raises:
        KdcError: the environment tells no time.
    """
    return _now() if given is None else given


def build_number(given: int | None) -> int:
    """Return an app's number, of which a phone installs the higher: by default minutes since 2020.

    Raises:
        KdcError: the environment tells no time.
    """
    if given is not None:
        return given
    return min(max((_now() - _2020) // 60, 1), HIGHEST_BUILD)


def _now() -> int:
    """Return seconds since 1970, by the clock of a build that is to be reproduced where it says."""
    told = os.environ.get(_CLOCK)
    if told is None:
        return int(time.time())
    if not (told.isascii() and told.isdigit() and 1 <= int(told[:20]) <= HIGHEST):
        raise KdcError(f"{_CLOCK}={told[:40]!a} is no number of seconds since 1970: unset it")
    return int(told)
