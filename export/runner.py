"""The fresh process in which a model is measured: `python -m kdc.export.runner`.

One `Job` as JSON on standard input, one `Reading` as JSON on standard output. It imports nothing
but numpy, ONNX Runtime and the few modules above, so that the memory it reports is the model's.
"""

import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from kdc.export.child import answer_one
from kdc.export.jobs import Job, Reading
from kdc.export.options import SessionOptions
from kdc.export.session import Session, open_session

Row = tuple[npt.NDArray[Any], npt.NDArray[Any]]
_WARM_UP = 10  # runs, or one of each length where there are more
_WARM_UP_SHARE = 0.25  # of the measured seconds, at most


def measure(job: Job) -> Reading:
    """Open the model, run it once, warm up, and measure until the runs or the seconds are over.

    Raises:
        KdcError: the model cannot be opened or run.
    """
    # what numpy and ONNX Runtime load is not the model's: they come before the first look at memory
    import onnxruntime

    rows = _rows(job)
    before = private_bytes()
    options = SessionOptions.from_dict(job.session, job.model)
    session = open_session(Path(job.model), job.threads, options)
    (first_ms,), _ = _sample(session, rows, 1, 0)
    _sample(session, rows, max(_WARM_UP, len(job.lengths)), job.seconds * _WARM_UP_SHARE)
    wall_ms, cpu_ms = _sample(session, rows, job.runs, job.seconds)
    return Reading(
        load_ms=session.load_ms,
        first_ms=first_ms,
        wall_ms=wall_ms,
        cpu_ms=cpu_ms,
        peak_rss_bytes=peak_rss_bytes(),
        private_bytes=max(0, private_bytes() - before),
        onnxruntime=onnxruntime.__version__,
    )


def _rows(job: Job) -> Iterator[Row]:
    """Return (T,) token ids and (T,) token types for ever, fresh ids each time."""
    rng = np.random.default_rng(job.seed)
    lengths = cycle(rng.permutation(job.lengths).tolist())
    return ((rng.integers(*job.ids, size=t), np.zeros(t, dtype=np.int64)) for t in lengths)


def _sample(
    session: Session, rows: Iterator[Row], runs: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Return wall and CPU milliseconds of up to `runs` runs, at least one, within `seconds`.

    CPU time is the process's, not the thread's: with several threads the calling one does only
    its share. Nothing else runs here, so on one thread the two agree; on several, single samples
    lag by up to a tick of the kernel's clock (some ms) and the spinning of idle ones is counted.
    """
    wall_ms: list[float] = []
    cpu_ms: list[float] = []
    end = perf_counter() + seconds
    while not wall_ms or (len(wall_ms) < runs and perf_counter() < end):
        tokens, types = next(rows)
        start, cpu_start = perf_counter(), process_time()
        session.run(tokens, types)
        cpu, wall = process_time() - cpu_start, perf_counter() - start
        wall_ms.append(wall * 1e3)
        cpu_ms.append(cpu * 1e3)
    return wall_ms, cpu_ms


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


def _proc(name: str, prefix: str) -> list[int]:
    """Return, in bytes, the lines of /proc/self/`name` that start with `prefix`."""
    try:
        lines = Path("/proc/self", name).read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    return [int(line.split()[1]) * 1024 for line in lines if line.startswith(prefix)]


def _max_rss() -> int:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, the others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Answer one job."""
    answer_one(lambda question: measure(Job(**question)))


if __name__ == "__main__":
    main()
