"""What every device is: a row of the table of devices."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kdc.export.jobs import Answers, Asked, Job, Reading


@dataclass(frozen=True)
class Need:
    """Something that a device needs of this machine, looked at by `kdc doctor`."""

    what: str
    there: bool
    found: str
    """What was found, such as a version, or what is not there."""
    mend: str = ""
    """The command that gets it, where it is not there."""


@dataclass(frozen=True)
class Device:
    """A row of the table of devices.

    Every function is given the address that follows the device's name and a colon (`adb:SERIAL`,
    `arm64:cortex-a53`), or an empty one, and raises KdcError with one sentence for what cannot be
    done there: something missing, a model that is refused, crashes, is killed or hangs.
    """

    about: str
    measure: Callable[[Job, str], Reading]
    """Does one job in a fresh process."""
    answer: Callable[[Asked, str], Answers]
    """Answers texts, each run alone, in a fresh process."""
    needs: Callable[[], Iterator[Need]]
    """Looks at what it needs of this machine; never raises."""
    turns: Callable[[Sequence[Job], str], list[Reading]] | None = None
    """Does several jobs, each in a process of its own, run by run in turns: the same number of
    runs of each, sample by sample on the same text lengths. None where that cannot be done."""
    unit: Literal["ms", "instructions"] = "ms"
    """What it compares models by."""
