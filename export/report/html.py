"""A report as one page: nothing is loaded, nothing runs, everything that was given is escaped."""

from collections.abc import Iterable
from html import escape
from importlib.metadata import version
from typing import Any

from kdc.export.report import tables
from kdc.export.report.cells import NOTHING, Cell, Table, mb, number, percent
from kdc.export.report.document import Report
from kdc.export.report.figures import (
    Figure,
    Stack,
    distributions,
    drift_figure,
    ledger_stack,
    main_setting,
    memory_stack,
    ratio_figure,
    tradeoffs,
)
from kdc.export.report.names import short_names
from kdc.export.report.pareto import Setting, settings
from kdc.export.report.style import page_style
from kdc.export.report.svg import element

_FLIPS = 20  # shown of each comparison
_SETTINGS = 6  # trade-offs drawn
_TEXTS = ("text", "second text")
_NAMES = ("model", "against", "machine", "command")
# no script, no picture, no font: what a name might smuggle in would still do nothing
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """Return the page.

    Args:
        report: with at least one run or one accuracy.
    """
    names = list(short_names(report.models).values())
    title = names[0] if len(names) == 1 else f"{len(names)} models"
    parts = (
        _header(report, title),
        _tradeoff(report),
        _runs(report),
        _versus(report),
        _quality(report),
        _ledger(report),
        _memory(report),
        _drift(report),
        _sources(report),
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
    dates = sorted({one.date[:10] for one in report.sources if one.date})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else ""
    machines = dict.fromkeys(tables.machine_words(one.machine) for one in report.sources)
    lines = [tables.title(report), *machines] if len(report.sources) > 1 else [tables.title(report)]
    told = "".join(f"<p>{escape(line)}</p>" for line in lines)
    over = f'<p class="over">kdc bench{escape(f" · {when}" if when else "")}</p>'
    tiles = _tiles(report) if len(report.models) == 1 else ""
    return f"<header>{over}<h1>{escape(title)}</h1>{told}</header>{tiles}"


def _tiles(report: Report) -> str:
    """Return the few figures that matter most of a single model."""
    (model,) = report.models.values()
    shown: list[tuple[str, str, str]] = []
    measured = [(one.score, f"{one.data}, on {one.device}") for one in report.quality]
    for score, where in measured[:1] or [(model.shipped, "on dev, from its manifest")]:
        if score is not None:
            cell = percent(score)
            shown.append((cell.text, "%", f"{score.metric} {where}, {cell.small}"))
    if model.zip_bytes is not None:
        shown.append(
            (str(mb(model.zip_bytes)), "MB", f"zipped, {mb(model.size_bytes)} MB as it is")
        )
    for run in report.runs[:2]:
        spread = run.latency_ms
        if spread is not None:
            tokens = "natural lengths" if run.length == "natural" else f"{run.length} tokens"
            shown.append((number(spread.p50), "ms", f"p50 on {run.device}, {tokens}"))
    private = next((run.private_bytes for run in report.runs if run.private_bytes), None)
    if private is not None:
        shown.append((f"{private / 1e6:,.1f}", "MB", "private memory"))
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)} <i>{escape(unit)}</i></b>'
        f"<span>{escape(about)}</span></div>"
        for value, unit, about in shown
    )
    return f'<div class="tiles">{tiles}</div>'


def _tradeoff(report: Report) -> str:
    main = main_setting(report)
    if main is None or len(main.points) < 2:
        return ""
    others = [one for one in settings(report) if one != main and len(one.points) > 1]
    chosen = [main, *others][:_SETTINGS]
    return _section(
        "Accuracy, size and latency", "".join(_one_setting(report, one) for one in chosen)
    )


def _one_setting(report: Report, setting: Setting) -> str:
    words = tables.setting_words(setting)
    pictures = tradeoffs(report, setting)
    figures = _grid(_figure(Figure("", picture)) for picture in pictures)
    table = tables.pareto_table(setting)
    note = (
        "Filled: no other model is as good in size, latency and score and better in one of them. "
        f"Line: the best that any size, or any latency, buys. {_sentence(table.note)}"
    )
    marked = [row[0].text == "*" for row in table.rows]
    return f"<h3>{escape(words)}</h3>{figures}<br>{_table(table, marked)}{_note(note)}"


def _runs(report: Report) -> str:
    if not report.runs:
        return ""
    body = _table(tables.runs_table(report))
    figures = distributions(report)
    pictures = _grid(map(_figure, figures))
    note = (
        "Hill: how often each time occurred, all hills of one height. Long line: p50, with its "
        "95 % interval below; short lines: p95 and p99."
    )
    spread = f"<h3>How it spreads</h3>{pictures}{_note(note)}" if figures else ""
    return _section("All runs", body + spread)


def _versus(report: Report) -> str:
    if not report.versus:
        return ""
    table, figure = tables.versus_table(report.versus), ratio_figure(report)
    picture = "" if figure is None else f"{_grid([_figure(figure)])}<br>"
    return _section("In turns", f"{picture}{_table(table)}{_note(_sentence(table.note))}")


def _quality(report: Report) -> str:
    if not report.quality:
        return ""
    table = tables.quality_table(report)
    body = [_table(table), _note(_sentence(table.note))]
    for one in report.quality:
        for other, against in one.against.items():
            if against.flipped:
                flips = tables.flips_table(one, other, _FLIPS)
                body.append(f"<h3>{escape(flips.title)}</h3>{_table(flips)}")
    return _section("Accuracy where it runs", "".join(body))


def _ledger(report: Report) -> str:
    stack = ledger_stack(report)
    if stack is None:
        return ""
    owners = [name for name, model in report.models.items() if model.ledger]
    lists = [tables.ledger_table(report, name) for name in owners[:_SETTINGS]]
    body = "".join(f"<h3>{escape(table.title)}</h3>{_table(table)}" for table in lists)
    return _section("Where the bytes are", _stacked(stack) + body)


def _memory(report: Report) -> str:
    stack = memory_stack(report)
    if stack is None:
        return ""
    table = tables.memory_table(report)
    body = f"{_stacked(stack)}<br>{_table(table)}{_note(_sentence(table.note))}"
    return _section("Where the memory goes", body)


def _drift(report: Report) -> str:
    if not any(run.drift for run in report.runs):
        return ""
    table, figure = tables.drift_table(report), drift_figure(report)
    picture = "" if figure is None else f"{_grid([_figure(figure)])}<br>"
    return _section("Long runs", f"{picture}{_table(table)}{_note(_sentence(table.note))}")


def _sources(report: Report) -> str:
    parts = []
    for index, source in enumerate(report.sources, 1):
        number = f"#{index} " if len(report.sources) > 1 else ""
        parts.append(f"<h3>{number}{escape(source.date or 'no date noted')}</h3>")
        if source.command:
            parts.append(f"<pre><code>{escape(source.command)}</code></pre>")
        rows = [(Cell(name), Cell(_told(value))) for name, value in source.machine.items()]
        parts.append(_table(Table("", ("machine", ""), rows)) if rows else "")
    devices = {run.device: run.where for run in report.runs if run.where}
    for device, where in devices.items():
        rows = [(Cell(name), Cell(_told(value))) for name, value in where.items()]
        parts.append(f"<br>{_table(Table('', (device, ''), rows))}")
    return _section("How it was measured", "".join(parts))


def _told(value: Any) -> str:  # noqa: ANN401 - plain values of JSON
    """Print what a machine says of itself."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or NOTHING
    if isinstance(value, bool) or value is None:
        return NOTHING if value is None else "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) and value > 99_999 else str(value)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _grid(figures: Iterable[str]) -> str:
    return f'<div class="grid2">{"".join(figures)}</div>'


def _figure(figure: Figure) -> str:
    about = f" <small>{escape(figure.about)}</small>" if figure.about else ""
    caption = f"<figcaption>{escape(figure.title)}{about}</figcaption>" if figure.title else ""
    return f"<figure>{caption}{figure.picture}</figure>"


def _stacked(stack: Stack) -> str:
    entries = "".join(
        f"<li>{element('i', ' ', class_=colour)}{escape(name)}</li>"
        for name, colour in stack.legend.items()
    )
    return f'<ul class="legend">{entries}</ul>{_grid([_figure(stack.figure)])}'


def _table(table: Table, marked: list[bool] | None = None) -> str:
    """Return a table; columns of numbers stand at the right, marked rows are tinted."""
    kinds = [_kind(table, place) for place in range(len(table.columns))]
    head = "".join(
        element("th", escape(name) or " ", class_=kind, scope="col")
        for name, kind in zip(table.columns, kinds, strict=True)
    )
    body = ""
    for index, row in enumerate(table.rows):
        cells = "".join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True))
        body += element("tr", cells, class_="best" if marked and marked[index] else None)
    inside = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def _kind(table: Table, place: int) -> str | None:
    name = table.columns[place]
    if name in _TEXTS:
        return "text"
    if name in _NAMES:
        return "name"
    cells = [row[place].text for row in table.rows]
    return "n" if cells and all(_is_number(cell) for cell in cells) else None


def _is_number(text: str) -> bool:
    return (
        text in ("", NOTHING) or text.removesuffix(" %").replace(",", "").replace(".", "").isdigit()
    )


def _cell(cell: Cell, kind: str | None) -> str:
    text = escape(cell.text)
    if cell.text == "*":
        text = '<span class="star">★</span>'
    elif cell.strong:
        text = f"<b>{text}</b>"
    small = f"<small>{escape(cell.small)}</small>" if cell.small else ""
    return element("td", (text + small) or " ", class_=kind)


def _note(words: str) -> str:
    return f'<p class="note">{escape(words)}</p>'


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
