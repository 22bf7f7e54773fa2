"""A report as one page: nothing is loaded, nothing runs, everything that was given is escaped."""

from html import escape
from importlib.metadata import version
from typing import Any

from kdc.export.report import detail_tables, markup, quality_tables, tables
from kdc.export.report.cells import NOTHING, Cell, Table, length_words, mb, number, percent
from kdc.export.report.document import Report
from kdc.export.report.figures import (
    Figure,
    distributions,
    drift_figure,
    ledger_stack,
    memory_stack,
    ratio_figure,
)
from kdc.export.report.names import short_names, shortened
from kdc.export.report.pareto import settings
from kdc.export.report.style import page_style
from kdc.export.report.tradeoff import tradeoff

_FLIPS, _FEW = 20, 5  # shown of each comparison, of one and of several
_MOST = 4  # settings drawn
# no script, no picture, no font: what a name might smuggle in would still do nothing
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """Return the page.

    Args:
        report: one or several measurements, with the models' full names.
    """
    names, short = short_names(report.models), shortened(report)
    title = next(iter(short.models)) if len(short.models) == 1 else f"{len(short.models)} models"
    parts = (
        _header(report, title),
        _tiles(short) if len(short.models) == 1 else _tradeoff(short),
        _runs(short),
        _versus(short),
        _quality(short),
        _ledger(short),
        _memory(short),
        _drift(short),
        _sources(short, {name: full for full, name in names.items()}),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}: kdc bench</title><style>{page_style()}</style></head>"
        f"<body><main>{''.join(parts)}"
        f"<footer>kdc {escape(version('kdc'))}. {escape(tables.LEGEND)}.</footer>"
        "</main></body></html>\n"
    )


def _header(report: Report, title: str) -> str:
    days = sorted({one.date[:10] for one in report.sources if one.date})
    when = " to ".join(dict.fromkeys(days[:1] + days[-1:]))
    machines = dict.fromkeys(tables.machine_words(one.machine) for one in report.sources)
    lines = [tables.title(report), *(machines if len(report.sources) > 1 else ())]
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    over = escape(" · ".join(["kdc bench", *([when] if when else [])]))
    return f'<header><p class="over">{over}</p><h1>{escape(title)}</h1>{told}</header>'


def _tiles(report: Report) -> str:
    """Return the few figures that matter most of a single model."""
    (model,) = report.models.values()
    found: list[tuple[str, str, str]] = []
    measured = [(one.score, f"{one.data}, on {one.device}") for one in report.quality]
    if not measured and model.shipped is not None:
        measured = [(model.shipped, "dev, from its manifest")]
    for score, where in measured[:1]:
        cell = percent(score)
        found.append((cell.text, "%", f"{score.metric} on {where} ({cell.small})"))
    if model.zip_bytes is not None:
        whole = f"zipped; {mb(model.size_bytes)} MB as it is"
        found.append((str(mb(model.zip_bytes)), "MB", whole))
    for run in [run for run in report.runs if run.latency_ms][:2]:
        p50 = number(run.latency_ms.p50 if run.latency_ms else None)
        found.append((p50, "ms", f"p50 on {run.device}, {length_words(run.length)}"))
    private = [run.private_bytes for run in report.runs if run.private_bytes is not None]
    if private:
        found.append((f"{max(private) / 1e6:,.1f}", "MB", "private memory, at most"))
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)} <i>{escape(unit)}</i></b>'
        f"<span>{escape(about)}</span></div>"
        for value, unit, about in found
    )
    return f'<div class="tiles">{tiles}</div>'


def _tradeoff(report: Report) -> str:
    found = settings(report)[:_MOST]
    if not found:
        return ""
    table = tables.pareto_table(report, found)
    parts = [markup.shown(table), markup.note(table.note.replace("*", "★", 1))]
    for setting in found:
        if len(setting.points) > 1:
            words = f"{tables.place_words(setting, found)}, {length_words(setting.length)}"
            pictures = [Figure("", picture) for picture in tradeoff(setting)]
            parts += [markup.heading(words), markup.grid(pictures)]
    words = "filled: no other model is as good in size, latency and score and better in one of "
    words += "them; line: the best that any size, or any latency, buys; whiskers: the 95 % interval"
    return markup.section("Accuracy, size and latency", *parts, markup.note(words))


def _runs(report: Report) -> str:
    if not report.runs:
        return ""
    parts = []
    found = tables.runs_tables(report, page=True)
    for device, table in found.items():
        parts += [markup.heading(device)] if len(found) > 1 else []
        parts.append(markup.shown(table))
    figures = distributions(report)
    if figures:
        words = "hill: how often each time occurred, all hills of one height; long line: p50, "
        words += "with its 95 % interval below; short lines: p95 and p99"
        parts += [markup.heading("How it spreads"), markup.grid(figures), markup.note(words)]
    return markup.section("All runs", *parts)


def _versus(report: Report) -> str:
    if not report.versus:
        return ""
    table = detail_tables.versus_table(report.versus)
    parts = (markup.shown(table), markup.note(table.note), markup.grid([ratio_figure(report)]))
    return markup.section("In turns", *parts)


def _quality(report: Report) -> str:
    if not report.quality:
        return ""
    table = quality_tables.quality_table(report)
    parts = [markup.shown(table), markup.note(table.note)]
    most = _FLIPS if len(report.quality) == 1 else _FEW
    flips = [
        quality_tables.flips_table(one, other, most)
        for one in report.quality
        for other, against in one.against.items()
        if against.flipped
    ]
    for table in flips:
        parts += [markup.heading(table.title), markup.shown(table)]
    return markup.section("Accuracy where it runs", *parts)


def _ledger(report: Report) -> str:
    stack = ledger_stack(report)
    if stack is None:
        return ""
    owners = [name for name, model in report.models.items() if model.ledger]
    table = detail_tables.ledgers_table(report)
    if len(owners) == 1:
        table = detail_tables.ledger_table(report, owners[0])
    return markup.section("Where the bytes are", markup.stacked(stack), markup.shown(table))


def _memory(report: Report) -> str:
    stack = memory_stack(report)
    if stack is None:
        return ""
    table = detail_tables.memory_table(report)
    parts = (markup.stacked(stack), markup.shown(table), markup.note(table.note))
    return markup.section("Where the memory goes", *parts)


def _drift(report: Report) -> str:
    if not any(run.drift for run in report.runs):
        return ""
    table = detail_tables.drift_table(report)
    parts = (markup.grid([drift_figure(report)]), markup.shown(table), markup.note(table.note))
    return markup.section("Long runs", *parts)


def _sources(report: Report, names: dict[str, str]) -> str:
    parts = []
    for index, source in enumerate(report.sources, 1):
        number_ = f"#{index} " if len(report.sources) > 1 else ""
        parts.append(markup.heading(f"{number_}{source.date or 'no date noted'}"))
        if source.command:
            parts.append(f"<pre><code>{escape(source.command)}</code></pre>")
        parts.append(_facts("machine", source.machine))
    devices = {(run.device, run.source): run.where for run in report.runs if run.where}
    for (device, index), where in devices.items():
        parts.append(_facts(f"{device} #{index + 1}" if len(report.sources) > 1 else device, where))
    parts += [markup.heading("Models"), markup.shown(tables.models_table(report, names))]
    return markup.section("How it was measured", *parts)


def _facts(what: str, facts: Any) -> str:  # noqa: ANN401 - plain values of JSON
    rows = [(Cell(str(name)), Cell(_told(value))) for name, value in facts.items()]
    return markup.shown(Table("", (what, ""), rows)) if rows else ""


def _told(value: Any) -> str:  # noqa: ANN401 - plain values of JSON
    """Print what a machine says of itself."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or NOTHING
    if isinstance(value, bool) or value is None:
        return NOTHING if value is None else "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) and value > 99_999 else str(value)
