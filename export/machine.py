"""What a measurement was made on."""

import os
import platform
import subprocess
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

# the CPU flags that decide how fast int8 and bf16 arithmetic is, as Linux spells them
FEATURES = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16", "sve", "sme"),
)


def describe_machine() -> dict[str, Any]:
    """Return name, cores, memory (bytes), arithmetic features and versions of this machine."""
    cpu = _cpuinfo()
    return {
        "cpu": cpu.get("model name") or _mac_cpu() or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": cores(),
        "features": _features(cpu),
        "ram_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "os": platform.platform(),
        "python": platform.python_version(),
    }


@cache
def int8_overflows() -> bool:
    """Whether sums of int8 products go wrong here: x86 before VNNI adds two of them in 16 bits.

    A CPU whose features are not known counts as one of these. ONNX Runtime has exact products for
    them: see `SessionOptions.build`.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return not {"avx_vnni", "avx512_vnni"}.intersection(_features(_cpuinfo()))


def cores() -> int:
    """Return how many logical cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo() -> dict[str, str]:
    """Return the first core's block of /proc/cpuinfo; empty where there is none."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            block = takewhile(str.strip, file)  # a hundred cores' would take milliseconds
            lines = [line.partition(":") for line in block]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in lines}


def _features(cpu: dict[str, str]) -> list[str]:
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    return [name for name in FEATURES if name in flags]


def _mac_cpu() -> str:
    if sys.platform != "darwin":
        return ""
    command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
