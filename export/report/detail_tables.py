"""The tables of what a report goes into: models in turns, memory, long runs, bytes."""

from collections.abc import Sequence

from kdc.export.report.cells import Cell, Table, count, mb, ms, ratio, tokens
from kdc.export.report.document import Report, Versus

PARTS = {
    "runtime": "ONNX Runtime itself",
    "weights": "the model's weights",
    "prepacked": "copies of them in the kernels' own order",
    "arena": "what its runs keep",
}
"""Where memory goes, by the names that a bench document has for it."""
_CLOCKS = {"wall": "wall time", "cpu": "CPU time", "instructions": "instructions"}


def versus_table(pairs: Sequence[Versus]) -> Table:
    """Return models in turns; a ratio that was refused says why."""
    columns = ("model", "against", "device", "tokens", "by", "ratio", "A/A", "pairs")
    refused = dict.fromkeys(pair.refused for pair in pairs if pair.refused)
    note = (
        "in turns, pair by pair; a ratio above 1 means that the model is faster; A/A is the same "
        "experiment with one model on both sides, which has to give 1"
    )
    notes = [note, *(f"refused: {reason}" for reason in refused)]
    return Table("in turns", columns, [_turns(pair) for pair in pairs], "; ".join(notes)).trimmed()


def _turns(pair: Versus) -> tuple[Cell, ...]:
    refused = Cell("refused", strong=True)
    found = refused if pair.ratio is None else ratio(pair.ratio, pair.interval, strong=True)
    names = (pair.model, pair.against, pair.device, str(pair.length), _CLOCKS[pair.clock])
    return (*map(Cell, names), found, ratio(pair.aa_ratio, pair.aa_interval), count(pair.pairs))


def memory_table(report: Report) -> Table:
    """Return where the memory goes, of runs that tell."""
    runs = [run for run in report.runs if run.memory]
    parts = list(dict.fromkeys([*PARTS, *(name for run in runs for name in run.memory)]))
    rows = [
        (
            *(Cell(run.model), Cell(run.device), Cell(str(run.length))),
            *(mb(run.memory.get(name)) for name in parts),
            *(mb(run.private_bytes), mb(run.peak_rss_bytes)),
        )
        for run in runs
    ]
    columns = ("model", "device", "tokens", *(f"{name} MB" for name in parts))
    told = "; ".join(f"{name}: {about}" for name, about in PARTS.items() if name in parts)
    note = f"{told}; each measured in a process of its own, so they need not add up"
    title = "where the memory goes"
    return Table(title, (*columns, "private MB", "peak MB"), rows, note).trimmed()


def drift_table(report: Report) -> Table:
    """Return what long runs did to the latency."""
    rows = [
        (
            *(Cell(run.model), Cell(run.device), tokens(run), Cell(f"{run.drift.minutes:g}")),
            *(ms(run.drift.first_ms), ms(run.drift.last_ms)),
            ratio(run.drift.ratio, run.drift.interval, strong=True),
        )
        for run in report.runs
        if run.drift is not None
    ]
    columns = ("model", "device", "tokens", "minutes", "first ms", "last ms", "last / first")
    return Table("long runs", columns, rows, "p50 at the start and at the end; above 1: it slowed")


def ledgers_table(report: Report) -> Table:
    """Return where the bytes of every phone folder are, side by side."""
    ledgers = {model.name: model.ledger for model in report.models.values() if model.ledger}
    about = {part.name: part.about for ledger in ledgers.values() for part in ledger}
    found = [{part.name: part.bytes for part in ledger} for ledger in ledgers.values()]
    rows = [
        (Cell(name), *(mb(one.get(name)) for one in found), Cell(words))
        for name, words in about.items()
    ]
    wholes = [mb(sum(one.values())) for one in found]
    rows.append((Cell("all", strong=True), *wholes, Cell("the phone folder")))
    return Table("where the bytes are", ("part", *(f"{name}, MB" for name in ledgers), ""), rows)


def ledger_table(report: Report, name: str) -> Table:
    """Return where the bytes of a model's phone folder are, zipped too."""
    parts = report.models[name].ledger
    rows = [
        (Cell(part.name), mb(part.bytes), mb(part.zip_bytes), Cell(part.about)) for part in parts
    ]
    zipped = [part.zip_bytes for part in parts if part.zip_bytes is not None]
    whole = mb(sum(part.bytes for part in parts))
    all_zipped = mb(sum(zipped) if len(zipped) == len(parts) else None)
    rows.append((Cell("all", strong=True), whole, all_zipped, Cell("the phone folder")))
    return Table(f"where the bytes of {name} are", ("part", "MB", "zipped MB", ""), rows)
