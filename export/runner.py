"""The fresh process in which a model is measured: `python -m kdc.export.runner`.

One `Job` as JSON on standard input, one `Reading` as JSON on standard output. It imports nothing
but numpy, ONNX Runtime and the few modules above, so that the memory it reports is the model's.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

from kdc.export.child import answer_one
from kdc.export.cpu_profile import find_profile
from kdc.export.draws import Row, draw_rows
from kdc.export.jobs import Job, Reading
from kdc.export.options import SessionOptions
from kdc.export.process_memory import peak_rss_bytes, private_bytes
from kdc.export.session import Session, open_session

_WARM_UP = 10  # runs, or one of each length where there are more
_WARM_UP_SECONDS = 1.0  # and a quarter of the measured ones, at most
_WARM_UP_SHARE = 0.25
_SETTLED = 100  # runs, or one of each length, after which memory grows by the samples alone


def measure(job: Job) -> Reading:
    """Open the model, run it once, warm up, and measure until the runs or the seconds are over.

    Raises:
        KdcError: the model cannot be opened or run.
    """
    said = find_profile(job.cpu_profile).apply()
    # what numpy and ONNX Runtime load is not the model's: they come before the first look at memory
    import onnxruntime

    rows = (row for (row,) in draw_rows(job, 1))
    before = private_bytes()
    options = SessionOptions.from_dict(job.session, job.model)
    session = open_session(Path(job.model), job.threads, options)
    opened = private_bytes()
    (first_ms,), _ = _sample(session, rows, 1, 0)
    warm_up = min(job.seconds * _WARM_UP_SHARE, _WARM_UP_SECONDS)
    _sample(session, rows, max(_WARM_UP, len(job.lengths)), warm_up)
    settled, end = max(_SETTLED, len(job.lengths)), perf_counter() + job.seconds
    wall_ms, cpu_ms = _sample(session, rows, min(job.runs, settled), job.seconds)
    # before the rest: the samples of a run of minutes are many MB, and not the model's
    ended, peak = private_bytes(), peak_rss_bytes()
    if len(wall_ms) < job.runs and perf_counter() < end:
        more = _sample(session, rows, job.runs - len(wall_ms), end - perf_counter())
        wall_ms, cpu_ms = wall_ms + more[0], cpu_ms + more[1]
    from kdc.export.thinning import thin  # not before: what it loads is not the model's

    reading = Reading(
        load_ms=session.load_ms,
        first_ms=first_ms,
        wall_ms=[],
        cpu_ms=[],
        peak_rss_bytes=peak,
        private_bytes=max(0, ended - before),
        onnxruntime=onnxruntime.__version__,
        memory={"opened": max(0, opened - before), "arena": max(0, ended - opened)},
        where={"cpu_profile": said} if said else {},
    )
    return thin(reading, wall_ms, cpu_ms, job.seed)


def _sample(
    session: Session, rows: Iterator[Row], runs: int, seconds: float
) -> "tuple[array[float], array[float]]":
    """Return wall and CPU milliseconds of up to `runs` runs, at least one, within `seconds`.

    CPU time is the process's, not the thread's: with several threads the calling one does only
    its share. Nothing else runs here, so on one thread the two agree; on several, single samples
    lag by up to a tick of the kernel's clock (some ms) and the spinning of idle ones is counted.
    """
    wall_ms, cpu_ms = array("d"), array("d")  # a run of minutes has millions, 8 bytes each
    end = perf_counter() + seconds
    while not wall_ms or (len(wall_ms) < runs and perf_counter() < end):
        tokens, types = next(rows)
        start, cpu_start = perf_counter(), process_time()
        session.run(tokens, types)
        cpu, wall = process_time() - cpu_start, perf_counter() - start
        wall_ms.append(wall * 1e3)
        cpu_ms.append(cpu * 1e3)
    return wall_ms, cpu_ms


def main() -> None:
    """Answer one job."""
    answer_one(lambda question: measure(Job(**question)))


if __name__ == "__main__":
    main()
