"""The tables of a report, for a terminal and for a page alike."""

from collections.abc import Callable, Mapping
from typing import Any

from kdc.export.report.cells import (
    NOTHING,
    Cell,
    Table,
    mb,
    millions,
    ms,
    number,
    percent,
    percentile,
    plural,
    share,
    tokens,
)
from kdc.export.report.document import Quality, Report, Run, Versus
from kdc.export.report.pareto import Setting

LEGEND = (
    "batch 1, each run in a fresh process; MB = 1,000,000 bytes; size, zipped: the model alone; "
    "p50 to p99: wall time of a text; CPU: p50 over all threads; peak: the whole process, its "
    "language included; private: what opening and running the model added, without files it maps; "
    "in brackets: the 95 % interval"
)
PARTS = {
    "runtime": "ONNX Runtime itself",
    "weights": "the model's weights",
    "prepacked": "copies of them in the kernels' own order",
    "arena": "what its runs keep",
}
_CLOCKS = {"wall": "wall time", "cpu": "CPU time", "instructions": "instructions"}


def runs_table(report: Report, intervals: bool = True) -> Table:
    """Return every run, one a row; what all of them share stands in the title.

    Args:
        report: with at least one run.
        intervals: tell those of p95 and p99 too, and not that of p50 alone.
    """
    runs = report.runs
    shared: dict[str, Callable[[Run], Cell]] = {
        "model": lambda run: Cell(run.model),
        "device": lambda run: Cell(run.device),
        "threads": lambda run: Cell(str(run.threads)),
        "when": lambda run: Cell(f"#{run.source + 1}"),
    }
    first = {
        name: cell for name, cell in shared.items() if len({str(cell(run)) for run in runs}) > 1
    }
    columns: dict[str, Callable[[Run], Cell]] = {
        **first,
        "tokens": tokens,
        "size MB": lambda run: mb(run.size_bytes),
        "zipped MB": lambda run: mb(run.zip_bytes),
        "load ms": lambda run: ms(run.load_ms),
        "first ms": lambda run: ms(run.first_ms),
        "p50 ms": lambda run: percentile(run.latency_ms, "p50", True),
        "p95 ms": lambda run: percentile(run.latency_ms, "p95", intervals),
        "p99 ms": lambda run: percentile(run.latency_ms, "p99", intervals),
        "CPU ms": lambda run: percentile(run.cpu_ms, "p50", True),
    }
    if any(run.instructions for run in runs):
        columns["M instructions"] = lambda run: millions(run.instructions)
    columns |= {
        "peak MB": lambda run: mb(run.peak_rss_bytes),
        "private MB": lambda run: mb(run.private_bytes),
        "runs": _samples,
    }
    rows = [tuple(cell(run) for cell in columns.values()) for run in runs]
    return Table(title(report), tuple(columns), rows, LEGEND)


def title(report: Report) -> str:
    """Say what was measured, where, and how good it is as far as its manifest tells."""
    models = list(dict.fromkeys(run.model for run in report.runs)) or list(report.models)
    devices = list(dict.fromkeys(run.device for run in report.runs))
    threads = {run.threads for run in report.runs}
    told = models[0] if len(models) == 1 else plural(len(models), "model")
    where = " and ".join(devices) if len(devices) < 4 else plural(len(devices), "device")
    if len(report.sources) == 1:
        where += f" ({machine_words(report.sources[0].machine)})"
    with_threads = f", {plural(threads.pop(), 'thread')}" if len(threads) == 1 else ""
    return f"{told} on {where}{with_threads}{_from_manifest(report, models)}"


def machine_words(machine: Mapping[str, Any]) -> str:
    """Return a machine in a few words."""
    cores, version = machine.get("cores"), machine.get("onnxruntime")
    words = [str(machine.get("cpu") or "unknown machine")]
    words += [plural(cores, "core")] if isinstance(cores, int) else []
    return ", ".join([*words, *([f"onnxruntime {version}"] if version else [])])


def versus_table(pairs: tuple[Versus, ...]) -> Table:
    """Return models in turns; a ratio that was refused says why."""
    rows = [
        (
            Cell(pair.model),
            Cell(pair.against),
            Cell(pair.device),
            Cell(str(pair.length)),
            Cell(_CLOCKS[pair.clock]),
            Cell("refused")
            if pair.ratio is None
            else Cell(f"{pair.ratio:.3f}", _three(pair.interval), strong=True),
            Cell(
                NOTHING if pair.aa_ratio is None else f"{pair.aa_ratio:.3f}",
                _three(pair.aa_interval),
            ),
            Cell(NOTHING if pair.pairs is None else str(pair.pairs)),
        )
        for pair in pairs
    ]
    refused = dict.fromkeys(pair.refused for pair in pairs if pair.refused)
    note = (
        "in turns, pair by pair; a ratio above 1 means that the model is faster; A/A is the same "
        "experiment with one model on both sides, which has to give 1"
    )
    columns = ("model", "against", "device", "tokens", "by", "ratio", "A/A", "pairs")
    return Table("in turns", columns, rows, "; ".join([note, *map(str, refused)]))


def quality_table(report: Report) -> Table:
    """Return how good the answers of the file that ships are, on each device."""
    rows = []
    for one in report.quality:
        head = (Cell(one.model), Cell(one.device), Cell(one.data), Cell(f"{one.score.n:,}"))
        scores = (percent(one.score), percent(one.student), percent(one.teacher))
        same = [_agreement(one, other) for other in ("host", "student", "teacher")]
        metric = Cell(one.score.metric)
        rows.append((*head, metric, *scores, *same))
    columns = ("model", "device", "data", "texts", "metric", "shipped %", "student %", "teacher %")
    same_as = ("same as host", "same as student", "same as teacher")
    note = (
        "the file that ships, run on the device over these texts; same as: share of texts that get "
        "the same label (a score that is off by no more than a tenth of the labels' range), with "
        "the least cosine of the logits"
    )
    return Table("accuracy where it runs", columns + same_as, rows, note)


def flips_table(one: Quality, other: str, most: int) -> Table:
    """Return texts that the file that ships answers differently from another model."""
    against = one.against[other]
    paired = any(flip.pair for flip in against.flipped)
    columns = ("text", *(("second text",) if paired else ()), "label", "shipped", other)
    rows = [
        tuple(
            Cell(part)
            for part in (
                flip.text,
                *((flip.pair or "",) if paired else ()),
                flip.label,
                flip.shipped,
                flip.other,
            )
        )
        for flip in against.flipped[:most]
    ]
    told = f"{plural(against.flips, 'text')} of {one.score.n:,} that {one.model} on {one.device} "
    shown = f"; the first {len(rows)}" if len(rows) < against.flips else ""
    return Table(f"{told}answers differently from the {other}{shown}", columns, rows)


def pareto_table(setting: Setting) -> Table:
    """Return models that were measured in one way, those on the front marked."""
    unit = "M instructions" if setting.clock == "instructions" else "p50 ms"
    size = "zipped MB" if setting.zipped else "size MB"
    rows = []
    for point in sorted(setting.points, key=lambda point: point.bytes):
        latency = number(point.p50 / (1e6 if setting.clock == "instructions" else 1))
        mark = Cell("*" if point.front else "", strong=point.front)
        rows.append(
            (
                mark,
                Cell(point.model, strong=point.front),
                mb(point.bytes),
                Cell(latency),
                percent(point.score),
            )
        )
    scored = f"; scores: {setting.basis}" if setting.basis else "; none of them has a score"
    note = f"*: no other model is as good in all columns and better in one{scored}"
    return Table(setting_words(setting), ("", "model", size, unit, "score %"), rows, note)


def setting_words(setting: Setting) -> str:
    """Say how the models of a setting were measured."""
    length = "natural lengths" if setting.length == "natural" else f"{setting.length} tokens"
    return f"{setting.device}, {length}, {plural(setting.threads, 'thread')}"


def memory_table(report: Report) -> Table:
    """Return where the memory goes, of runs that tell."""
    runs = [run for run in report.runs if run.memory]
    parts = list(dict.fromkeys([*PARTS, *(name for run in runs for name in run.memory)]))
    named = [name for name in parts if any(name in run.memory for run in runs)]
    rows = [
        (
            Cell(run.model),
            Cell(run.device),
            Cell(str(run.length)),
            *(mb(run.memory.get(name)) for name in named),
            mb(run.private_bytes),
            mb(run.peak_rss_bytes),
        )
        for run in runs
    ]
    columns = ("model", "device", "tokens", *(f"{name} MB" for name in named))
    told = "; ".join(f"{name}: {about}" for name, about in PARTS.items() if name in named)
    note = f"{told}; each measured in a process of its own, so they need not add up"
    return Table("where the memory goes", (*columns, "private MB", "peak MB"), rows, note)


def drift_table(report: Report) -> Table:
    """Return what long runs did to the latency."""
    rows = [
        (
            Cell(run.model),
            Cell(run.device),
            tokens(run),
            Cell(f"{run.drift.minutes:g}"),
            ms(run.drift.first_ms),
            ms(run.drift.last_ms),
            Cell(f"{run.drift.ratio:.3f}", _three(run.drift.interval)),
        )
        for run in report.runs
        if run.drift is not None
    ]
    columns = ("model", "device", "tokens", "minutes", "first ms", "last ms", "last / first")
    return Table("long runs", columns, rows, "p50 at the start and at the end; above 1: it slowed")


def ledger_table(report: Report, name: str) -> Table:
    """Return where the bytes of a model's phone folder are."""
    parts = report.models[name].ledger
    rows = [
        (Cell(part.name), mb(part.bytes), mb(part.zip_bytes), Cell(part.about)) for part in parts
    ]
    whole = sum(part.bytes for part in parts)
    zipped = [part.zip_bytes for part in parts if part.zip_bytes is not None]
    total = mb(sum(zipped) if len(zipped) == len(parts) else None)
    rows.append((Cell("all", strong=True), mb(whole), total, Cell("the phone folder")))
    return Table(f"where the bytes of {name} are", ("part", "MB", "zipped MB", ""), rows)


def sources_table(report: Report) -> Table:
    """Return where and when it was measured, and what repeats it."""
    rows = [
        (
            Cell(f"#{index}"),
            Cell(one.date or NOTHING),
            Cell(machine_words(one.machine)),
            Cell(one.command or NOTHING),
        )
        for index, one in enumerate(report.sources, 1)
    ]
    return Table("measured", ("", "date", "machine", "command"), rows)


def _samples(run: Run) -> Cell:
    spread = run.latency_ms or run.cpu_ms or run.instructions
    return Cell(NOTHING if spread is None or spread.n is None else str(spread.n))


def _three(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _agreement(one: Quality, other: str) -> Cell:
    against = one.against.get(other)
    if against is None:
        return Cell(NOTHING)
    cosine = against.cosine_min
    return Cell(share(against.agree), "" if cosine is None else f"cosine {cosine:.4f}")


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
