"""Where a model can be measured: one file each, and a line in the table."""

from collections.abc import Callable
from dataclasses import dataclass

from kdc.compress.errors import unknown
from kdc.export.devices import host
from kdc.export.runner import Job, Reading


@dataclass(frozen=True)
class Device:
    """A row of the table of devices."""

    about: str
    measure: Callable[[Job], Reading]
    """Does one job in a fresh process; raises KdcError when it cannot be done there."""


DEVICES = {
    "host": Device("this machine: its CPU, with ONNX Runtime", host.measure),
}


def find_device(name: str) -> Device:
    """Return the device of that name.

    Raises:
        KdcError: there is none.
    """
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    return DEVICES[name]
