"""What a user reads of a measurement."""

from kdc.export.measure import Accuracy, Bench, Measurement

COLUMNS = (
    *("tokens", "size MB", "zipped MB", "load ms", "first ms"),
    *("p50 ms", "p95 ms", "p99 ms", "CPU ms", "peak MB", "private MB", "runs"),
)
LEGEND = (
    "batch 1, each length in a fresh process; MB = 1,000,000 bytes; size, zipped: the model alone; "
    "p50 to p99: wall time of a run; CPU: p50 over all threads; peak: the whole process, "
    "Python included; private: what opening and running the model added, without files it maps"
)


def describe_bench(bench: Bench) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Return a measurement as a table: title, columns, and one row a length."""
    return _title(bench), COLUMNS, [_row(bench, run) for run in bench.runs]


def _title(bench: Bench) -> str:
    machine, run = bench.machine, bench.runs[0]
    threads = f"{run.threads} thread{'s' if run.threads > 1 else ''}"
    where = f"{machine['cpu']}, {machine['cores']} cores, onnxruntime {machine['onnxruntime']}"
    title = f"{bench.model} on {run.device} ({where}), {threads}"
    return title if bench.accuracy is None else f"{title}; {_quality(bench.accuracy)}"


def _quality(accuracy: Accuracy) -> str:
    kept = ""
    if accuracy.teacher.value > 0:
        kept = f", {100 * accuracy.shipped.value / accuracy.teacher.value:.1f} % of its teacher's"
    return f"{accuracy.shipped}{kept}, from its manifest"


def _row(bench: Bench, run: Measurement) -> tuple[str, ...]:
    wall, reading = run.latency_ms, run.reading
    times = (reading.load_ms, reading.first_ms, wall.p50, wall.p95, wall.p99, run.cpu_ms.p50)
    return (
        _length(run),
        _mb(bench.size_bytes),
        _mb(bench.zip_bytes),
        *(f"{time:.2f}" for time in times),
        _mb(reading.peak_rss_bytes),
        _mb(reading.private_bytes),
        str(wall.n),
    )


def _length(run: Measurement) -> str:
    if run.texts.length != "natural":
        return str(run.texts.length)
    return f"natural ({min(run.texts.tokens)} to {max(run.texts.tokens)})"


def _mb(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.2f}"
