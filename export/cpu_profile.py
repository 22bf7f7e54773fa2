"""Makes a CPU more like a phone's, for the process that measures.

Server cores have matrix units (AMX) that run int8 products three times as fast as their vector
units and have no like in phones, so that int8 looks better against fp32 than it will be. Linux
hands AMX to a process that asks for it; a process that is refused computes with its vector units.
"""

import ctypes
import platform
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

from kdc.compress.errors import KdcError, unknown
from kdc.export.machine import describe_machine

NATIVE, PHONE = "native", "phone"

# seccomp: linux/filter.h, linux/seccomp.h, linux/audit.h, asm/prctl.h
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # where struct seccomp_data holds them
_X86_64, _ARCH_PRCTL = 0xC000003E, 158
_REQUESTS = (0x1023, 0x1025)  # ARCH_REQ_XCOMP_PERM, ARCH_REQ_XCOMP_GUEST_PERM
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


@dataclass(frozen=True)
class CpuProfile:
    """A row of the table of CPU profiles."""

    about: str
    apply: Callable[[], str]
    """Changes this process for good, and says what it did; to be called before a runtime loads."""


def find_profile(name: str) -> CpuProfile:
    """Return the profile of that name.

    Raises:
        KdcError: there is none.
    """
    if name not in CPU_PROFILES:
        raise unknown("CPU profile", name, CPU_PROFILES)
    return CPU_PROFILES[name]


def _phone() -> str:
    has = "amx_tile" in describe_machine()["features"]
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "phone: nothing to do, AMX is a matter of x86-64"
    deny_amx()
    if has:
        return "phone: AMX refused to the process, so int8 runs on vector units"
    return "phone: nothing to do, this CPU has no AMX"


def deny_amx() -> None:
    """Have Linux refuse this process and its children the use of AMX, by a seccomp filter.

    Raises:
        KdcError: Linux takes no such filter.
    """
    system = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(_program())
    count = len(_program()) // 8

    class Program(ctypes.Structure):
        _fields_ = (("count", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    given = Program(count, ctypes.addressof(program))
    system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if system.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(given), 0, 0):
        reason = ctypes.get_errno()
        raise KdcError(
            f"--cpu-profile {PHONE}: Linux refuses a seccomp filter (error {reason}), "
            "so AMX cannot be turned off here: measure without it"
        )


def _program() -> bytes:
    """Return the filter: arch_prctl with a request for more registers is refused."""
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 0, 6, _X86_64),  # how many steps to leave out if equal, and if not
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, 0, 4, _ARCH_PRCTL),
        (_LOAD, 0, 0, _ARGUMENT),
        (_IF_EQUAL, 1, 0, _REQUESTS[0]),
        (_IF_EQUAL, 0, 1, _REQUESTS[1]),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


CPU_PROFILES = {
    NATIVE: CpuProfile("the CPU as it is", lambda: ""),
    PHONE: CpuProfile("without matrix units (AMX), which phones have not", _phone),
}
