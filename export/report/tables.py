"""The tables that a report begins with, for a terminal and for a page alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kdc.compress.progress import plural
from kdc.export.report.cells import (
    NOTHING,
    Cell,
    Table,
    count,
    length_words,
    mb,
    millions,
    ms,
    number,
    percent,
    percentile,
    tokens,
)
from kdc.export.report.document import Report, Run
from kdc.export.report.pareto import HERE, Point, Setting, device_words, profile_words

LEGEND = (
    "batch 1, each run in a fresh process; MB = 1,000,000 bytes; size, zipped: the model alone; "
    "p50 to p99: wall time of a text; CPU: p50 over all threads; peak: the whole process, its "
    "language included; private: what opening and running the model added, without files it maps; "
    "with figures: the 95 % interval, where there are runs enough for one"
)
_Columns = dict[str, Callable[[Run], Cell]]


def runs_tables(report: Report, page: bool = False) -> dict[str, Table]:
    """Return every run, one a row, by device; what all of a table share stands in its title.

    Args:
        report: one or several measurements.
        page: for a page, which has room for the intervals of p95 and p99 and tells sizes elsewhere.
    """
    devices = dict.fromkeys(run.device for run in report.runs)
    return {device: runs_table(_on(report, device), page) for device in devices}


def _on(report: Report, device: str) -> Report:
    """Return what a report says of one device."""
    runs = tuple(run for run in report.runs if run.device == device)
    names = dict.fromkeys(run.model for run in runs)
    return replace(report, runs=runs, models={name: report.models[name] for name in names})


def runs_table(report: Report, page: bool = False) -> Table:
    """Return the runs of a report on one device, one a row."""
    named: _Columns = {
        "model": lambda run: Cell(run.model),
        "threads": lambda run: Cell(str(run.threads)),
        "when": lambda run: Cell(f"#{run.source + 1}"),
    }
    differing: _Columns = {
        name: cell for name, cell in named.items() if len({cell(run) for run in report.runs}) > 1
    }
    sizes: _Columns = {
        "size MB": lambda run: mb(run.size_bytes),
        "zipped MB": lambda run: mb(run.zip_bytes),
    }
    columns: _Columns = {
        **differing,
        "tokens": tokens,
        **({} if page and len(report.models) > 1 else sizes),
        "load ms": lambda run: ms(run.load_ms),
        "first ms": lambda run: ms(run.first_ms),
        "p50 ms": lambda run: percentile(run.latency_ms, "p50", True),
        "p95 ms": lambda run: percentile(run.latency_ms, "p95", page),
        "p99 ms": lambda run: percentile(run.latency_ms, "p99", page),
        "CPU ms": lambda run: percentile(run.cpu_ms, "p50", True),
        "M instructions": lambda run: millions(run.instructions),
        "peak MB": lambda run: mb(run.peak_rss_bytes),
        "private MB": lambda run: mb(run.private_bytes),
        "runs": _samples,
    }
    rows = [tuple(cell(run) for cell in columns.values()) for run in report.runs]
    return Table(title(report), tuple(columns), rows, LEGEND).trimmed()


def title(report: Report) -> str:
    """Say what was measured, where, and how good it is as far as its manifest tells."""
    models = list(report.models)
    devices = list(dict.fromkeys(run.device for run in report.runs))
    threads = {run.threads for run in report.runs}
    told = models[0] if len(models) == 1 else plural(len(models), "model")
    where = " and ".join(devices) if len(devices) < 4 else plural(len(devices), "device")
    if len(report.sources) == 1 and (places := _places(report)):
        where += f" ({'; '.join(places)})"
    with_threads = f", {plural(threads.pop(), 'thread')}" if len(threads) == 1 else ""
    return f"{told} on {where}{with_threads}{_from_manifest(report, models)}"


def _places(report: Report) -> list[str]:
    """Say on what the runs were measured: a machine, or what a device of its own says it is."""
    places = dict.fromkeys(_place(report, run) for run in report.runs)
    return [place for place in places if place]


def _place(report: Report, run: Run) -> str:
    if run.device.partition(":")[0] not in HERE:
        return device_words(run)
    words = (machine_words(report.sources[run.source].machine), profile_words(run))
    return ", ".join(word for word in words if word)


def machine_words(machine: Mapping[str, Any]) -> str:
    """Return a machine in a few words."""
    cores, version = machine.get("cores"), machine.get("onnxruntime")
    words = [str(machine.get("cpu") or "unknown machine")]
    words += [plural(cores, "core")] if isinstance(cores, int) else []
    return ", ".join([*words, *([f"onnxruntime {version}"] if version else [])])


def pareto_table(report: Report, found: Sequence[Setting]) -> Table:
    """Return all models, the front of the first setting marked, latencies of all settings.

    Args:
        report: what was measured.
        found: settings to tell, at least one.
    """
    main, points = found[0], {point.model: point for point in found[0].points}
    others = [{point.model: point for point in setting.points} for setting in found]
    size = "zipped MB" if main.zipped else "size MB"
    rows = []
    known = sorted(points, key=lambda name: points[name].bytes)
    for name in [*known, *(name for name in report.models if name not in points)]:
        point, model = points.get(name), report.models[name]
        best = point is not None and point.front
        bytes_ = model.zip_bytes if main.zipped else model.size_bytes
        latencies = (
            _latency(setting, one.get(name)) for setting, one in zip(found, others, strict=True)
        )
        score = percent(None if point is None else point.score)
        head = (Cell("*" if best else "", strong=best), Cell(name, strong=best))
        rows.append((*head, score, mb(bytes_), *latencies))
    metric = next((point.score.metric for point in main.points if point.score), "score")
    columns = ("", "model", f"{metric} %", size, *(_column(setting, found) for setting in found))
    return Table("size, latency and score", columns, rows, _explained(main)).trimmed()


def _explained(main: Setting) -> str:
    columns = "size, latency and score" if main.basis else "size and latency"
    scored = f"; {main.basis}" if main.basis else "; no scores that could be compared"
    where = f"{main.device}, {length_words(main.length)}, {plural(main.threads, 'thread')}"
    told = f"no other model is as good in {columns} ({where}) and better in one of them"
    return f"*: {told}{scored}"


def setting_words(setting: Setting) -> str:
    """Say how and on what the models of a setting were measured."""
    words = (
        f"{setting.device}, {length_words(setting.length)}, {plural(setting.threads, 'thread')}",
        setting.machine,
        setting.basis,
    )
    return "; ".join(word for word in words if word)


def place_words(setting: Setting, found: Sequence[Setting]) -> str:
    """Say on what device, and on which machine where others are the same device too."""
    alike = [one for one in found if (one.device, one.length) == (setting.device, setting.length)]
    machines, threads = {one.machine for one in alike}, {one.threads for one in alike}
    words = [setting.device, *([setting.machine] if len(machines) > 1 else [])]
    told = threads != {1}
    return ", ".join([*words, *([plural(setting.threads, "thread")] if told else [])])


def _column(setting: Setting, found: Sequence[Setting]) -> str:
    unit = "M instructions" if setting.clock == "instructions" else "ms"
    tokens = "natural" if setting.length == "natural" else f"{setting.length} tokens"
    return f"{place_words(setting, found)}, {tokens}, {unit}"


def _latency(setting: Setting, point: Point | None) -> Cell:
    if point is None:
        return Cell(NOTHING)
    return Cell(number(point.p50 / (1e6 if setting.clock == "instructions" else 1.0)))


def models_table(report: Report, names: Mapping[str, str]) -> Table:
    """Return which files were measured.

    Args:
        report: whose models have short names.
        names: full name of each.
    """
    rows = [
        (
            *(Cell(name), Cell(names[name]), mb(model.size_bytes), mb(model.zip_bytes)),
            Cell(model.quantization or NOTHING),
            Cell(model.sha256 or NOTHING),
        )
        for name, model in report.models.items()
    ]
    columns = ("model", "path", "size MB", "zipped MB", "quantization", "sha256")
    return Table("models", columns, rows).trimmed()


def sources_table(report: Report) -> Table:
    """Return where and when it was measured, and what repeats it."""
    rows = [
        (
            *(Cell(f"#{index}"), Cell(one.date or NOTHING)),
            *(Cell(machine_words(one.machine)), Cell(one.command or NOTHING)),
        )
        for index, one in enumerate(report.sources, 1)
    ]
    return Table("measured", ("when", "date", "machine", "command"), rows)


def _samples(run: Run) -> Cell:
    spread = run.latency_ms or run.cpu_ms or run.instructions
    return count(None if spread is None else spread.n)


def _from_manifest(report: Report, models: list[str]) -> str:
    if len(models) != 1:
        return ""
    model = report.models[models[0]]
    if model.shipped is None:
        return ""
    kept = ""
    if model.teacher is not None and model.teacher.value > 0:
        kept = f", {100 * model.shipped.value / model.teacher.value:.1f} % of its teacher's"
    return f"; {model.shipped}{kept}, from its manifest"
