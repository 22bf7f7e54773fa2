"""Where a model can be measured: one file each, and a line in the table."""

from kdc.compress.errors import unknown
from kdc.export.devices import adb, arm64, host, web
from kdc.export.devices.device import Device

DEVICES: dict[str, Device] = {
    "host": host.DEVICE,
    "arm64": arm64.DEVICE,
    "web": web.DEVICE,
    "adb": adb.DEVICE,
}


def find_device(name: str) -> tuple[Device, str]:
    """Return the device of that name, and the address that follows it and a colon, if any.

    Raises:
        KdcError: there is no such device.
    """
    kind, _, address = name.partition(":")
    if kind not in DEVICES:
        raise unknown("device", kind, DEVICES)
    return DEVICES[kind], address
