"""What became of a process that was to run a model, in words."""

import signal
import subprocess
from pathlib import Path

from kdc.compress.errors import tells_no_memory

_SIGNALS = {number.value: number.name for number in signal.Signals}


def out_of_memory_kills() -> int:
    """Return how many processes this machine has ended for want of memory; 0 where untold."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def fate(child: "subprocess.CompletedProcess[str]", kills_before: int) -> str:
    """Say how a process ended.

    Args:
        child: the process, with what it said on standard error.
        kills_before: `out_of_memory_kills` when it was started.
    """
    lines = [line for line in child.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    if any(map(tells_no_memory, lines[-20:])):
        return "ran out of memory; try a smaller model or shorter texts"
    if child.returncode == -signal.SIGKILL:
        if out_of_memory_kills() > kills_before:
            return "ran out of memory and was killed; try a smaller model or shorter texts"
        return "was killed (SIGKILL), most often because memory ran out; try a smaller model"
    if child.returncode < 0:
        name = _SIGNALS.get(-child.returncode, f"signal {-child.returncode}")
        return f"crashed ({name}), so ONNX Runtime cannot run this file; export it again"
    return f"ended with exit code {child.returncode} ({last})"
