"""What measuring on a phone needs of this machine."""

import os
import re
from collections.abc import Iterator

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64.compilers import GET_CROSS, cross_compiler
from kdc.export.devices.aarch64.libraries import INSTALL as GET_LIBRARIES
from kdc.export.devices.aarch64.libraries import can_fetch, installed_libraries
from kdc.export.devices.adb_bridge import INSTALL, attached, find_adb, run_adb
from kdc.export.devices.device import Need

OWN_RUNNER = "KDC_ADB_RUNNER"
"""Names a folder with another runner than ours."""
_PLUG_IN = "plug one in with USB debugging on, or `adb connect`"
_PATIENCE = 1.5  # seconds: the doctor should not keep anyone waiting


def needs() -> Iterator[Need]:
    """Look for adb, a phone, and what the arm64 runner is made of."""
    adb = find_adb()
    if adb is None:
        yield Need("adb", False, "not installed", INSTALL)
    else:
        yield Need("adb", True, _version(adb))
        yield _phone(adb)
    yield from _runner()


def _version(adb: str) -> str:
    try:
        said = run_adb([adb, "version"], _PATIENCE).out
    except KdcError as error:
        return str(error)
    found = re.search(r"^Version (\S+)", said, re.MULTILINE)
    return found[1] if found else "of unknown version"


def _phone(adb: str) -> Need:
    try:
        devices = attached(adb, _PATIENCE)
    except KdcError as error:
        return Need("phone", False, str(error), _PLUG_IN)
    if any(device.state == "device" for device in devices):
        return Need("phone", True, ", ".join(map(str, devices)))
    return Need("phone", False, ", ".join(map(str, devices)) or "none attached", _PLUG_IN)


def _runner() -> Iterator[Need]:
    own = os.environ.get(OWN_RUNNER)
    if own:
        yield Need("runner", True, f"{OWN_RUNNER}={own}")
        return
    compiler = cross_compiler()
    if compiler:
        yield Need("compiler", True, compiler.version)
    else:
        yield Need("compiler", False, "no compiler for arm64", GET_CROSS)
    if installed_libraries() is not None:
        yield Need("libraries", True, "installed")
    elif can_fetch():
        yield Need("libraries", True, "fetched from Debian's packages when they are needed")
    else:
        yield Need("libraries", False, "no C library of arm64", GET_LIBRARIES)
