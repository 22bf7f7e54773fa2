"""What memory this process holds, and how much it may take."""

import sys
from contextlib import suppress
from pathlib import Path

from kdc.compress.errors import KdcError, tells_no_memory


def peak_rss_bytes() -> int:
    """Return the most memory this process ever held.

    On Linux it is `VmHWM`, which begins with the program; `ru_maxrss` is handed down, so that the
    child of a large process would report its parent's peak.
    """
    status = _proc("status", "VmHWM")
    return status[0] if status else _max_rss()


def private_bytes() -> int:
    """Return the memory of this process that is no page of a file.

    Only Linux tells (`smaps_rollup`); elsewhere the peak of all its memory stands in, whose growth
    counts what is shared or was given back as well.
    """
    private = _proc("smaps_rollup", "Anonymous:")
    return sum(private) if private else _max_rss()


def confine() -> None:
    """Let a process that will hold a foreign model fail or die before any other does.

    It may take what is free now and no more: an allocation beyond that fails, and the model's own
    error is told, where otherwise the whole machine would swap or Linux would kill somebody. Only
    memory of its own counts (`RLIMIT_DATA`), not files that it maps, which cost nothing. If memory
    runs out all the same, because others take it meanwhile, Linux takes this process first.
    """
    import resource

    if sys.platform != "linux":
        return
    with suppress(OSError):  # no /proc, as in some containers
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    free, (now, most) = free_bytes(), resource.getrlimit(resource.RLIMIT_DATA)
    if free is not None:
        limits = [limit for limit in (free, now, most) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), most))


def told_memory(error: KdcError, model: object) -> str:
    """Return an error's sentence, or that memory ran out where that is behind it."""
    if not tells_no_memory(str(error)):
        return str(error)
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    known = limit != resource.RLIM_INFINITY
    memory = f"the {limit / 1e9:.1f} GB of memory that it may take" if known else "memory"
    return f"{model} ran out of {memory}: try a smaller model or shorter texts"


def free_bytes() -> int | None:
    """Return the memory that this machine or this container can still give; None if untold."""
    free = _lines(Path("/proc/meminfo"), "MemAvailable")
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # `max`, or no such files outside of a container
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        held = int((group / "memory.current").read_text(encoding="ascii"))
        free.append(max(0, limit - held + _cached(group / "memory.stat")))
    return min(free) if free else None


def _cached(path: Path) -> int:
    """Return the bytes of files that a container holds in memory, which Linux drops at need.

    After hours of reading data they are all of its memory, and none of it is taken.
    """
    try:
        rows = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
    except OSError:
        return 0
    return sum(int(rows.get(name, 0)) for name in ("inactive_file", "active_file"))


def _proc(name: str, prefix: str) -> list[int]:
    """Return, in bytes, the lines of /proc/self/`name` that start with `prefix`."""
    return _lines(Path("/proc/self", name), prefix)


def _lines(path: Path, prefix: str) -> list[int]:
    """Return, in bytes, what a file of the kernel's gives in kB on lines that start so."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [int(line.split()[1]) * 1024 for line in lines if line.startswith(prefix)]


def _max_rss() -> int:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, the others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
