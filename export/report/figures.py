"""Which pictures a report has, and which colour each model and each group of bytes has in them."""

from collections.abc import Mapping
from dataclasses import dataclass

from kdc.compress.progress import plural
from kdc.export.ledger import GRAPH, NORMS, OTHER, RECORDS
from kdc.export.lengths import Length
from kdc.export.report.bars import Bar, stacked
from kdc.export.report.cells import length_words
from kdc.export.report.distribution import distribution
from kdc.export.report.document import CLOCKS, Report, Run
from kdc.export.report.drift import drift_lines
from kdc.export.report.pareto import machine_of
from kdc.export.report.ratios import ratios
from kdc.export.report.style import SERIES
from kdc.export.report.svg import Picture

_GREY = {GRAPH: "s9", RECORDS: "s9", NORMS: "s8", OTHER: "s8", "runtime": "s8"}


@dataclass(frozen=True)
class Figure:
    """A picture and what stands above it."""

    title: str
    picture: Picture
    about: str = ""


@dataclass(frozen=True)
class Stack:
    """Stacked bars with the names of their colours."""

    figure: Figure
    legend: Mapping[str, str]
    """Part -> class of its colour."""


def model_colours(report: Report) -> dict[str, str]:
    """Return the class of each model's colour, the same in every picture."""
    return {name: f"s{index % SERIES}" for index, name in enumerate(report.models)}


def distributions(report: Report) -> list[Figure]:
    """Draw how latency spreads, a picture for each device, length and clock."""
    colours = model_colours(report)
    groups: dict[tuple[str, Length, int, str], list[Run]] = {}
    for run in report.runs:
        key = (run.device, run.length, run.threads, machine_of(report, run))
        groups.setdefault(key, []).append(run)
    figures = []
    for (device, length, threads, machine), runs in groups.items():
        several = len({key[3] for key in groups if key[0] == device}) > 1
        about = machine if several else plural(threads, "thread")
        for clock in CLOCKS:
            picture = distribution(runs, clock, colours)
            if picture is not None:
                figures.append(Figure(f"{device}, {length_words(length)}", picture, about))
    return figures


def ratio_figure(report: Report) -> Figure | None:
    """Draw the ratios of models in turns."""
    picture = ratios(report.versus)
    return None if picture is None else Figure("how many times as fast", picture, "grey: A/A")


def ledger_stack(report: Report) -> Stack | None:
    """Draw where the bytes of each phone folder are."""
    bars = [
        Bar(
            model.name,
            {part.name: part.bytes / 1e6 for part in model.ledger},
            f"{sum(part.bytes for part in model.ledger) / 1e6:,.2f} MB",
        )
        for model in report.models.values()
        if model.ledger
    ]
    return _stack(bars, "bytes of the phone folder, MB")


def memory_stack(report: Report) -> Stack | None:
    """Draw where the memory of each run goes."""
    bars = [
        Bar(
            f"{run.model}, {run.device}, {run.length}",
            {name: size / 1e6 for name, size in run.memory.items()},
            f"{sum(run.memory.values()) / 1e6:,.1f} MB",
        )
        for run in report.runs
        if run.memory
    ]
    return _stack(bars, "memory, MB")


def drift_figure(report: Report) -> Figure | None:
    """Draw the latency of long runs."""
    picture = drift_lines(report.runs, model_colours(report))
    return None if picture is None else Figure("latency by minute", picture)


def _stack(bars: list[Bar], title: str) -> Stack | None:
    if not bars:
        return None
    parts = list(dict.fromkeys(name for bar in bars for name in bar.parts))
    coloured = [name for name in parts if name not in _GREY]
    legend = {name: _GREY.get(name) or f"s{coloured.index(name) % SERIES}" for name in parts}
    return Stack(Figure("", stacked(bars, legend, title)), legend)
