"""The tables of how good a model is where it runs, and of the texts it answers differently."""

from kdc.compress.progress import plural
from kdc.export.report.cells import NOTHING, Cell, Table, count, percent, share
from kdc.export.report.document import Flip, Quality, Report

_OTHERS = ("host", "student", "teacher")


def quality_table(report: Report) -> Table:
    """Return how good the answers of the file that ships are, on each device."""
    scores = ("metric", "shipped %", "student %", "teacher %")
    columns = ("model", "device", "data", "texts", *scores, *(f"same as {o}" for o in _OTHERS))
    note = (
        "the file that ships, run on the device over these texts; same as: share of texts with "
        "the same label (for scores: off by no more than a tenth of the labels' range) and the "
        "least cosine of the logits"
    )
    rows = [_row(one) for one in report.quality]
    return Table("accuracy where it runs", columns, rows, note).trimmed()


def _row(one: Quality) -> tuple[Cell, ...]:
    scores = (percent(one.score), percent(one.student), percent(one.teacher))
    same = (_agreement(one, other) for other in _OTHERS)
    names = (Cell(one.model), Cell(one.device), Cell(one.data), count(one.score.n))
    return (*names, Cell(one.score.metric), *scores, *same)


def _agreement(one: Quality, other: str) -> Cell:
    against = one.against.get(other)
    if against is None:
        return Cell(NOTHING)
    cosine = against.cosine_min
    return Cell(share(against.agree), "" if cosine is None else f"cosine {cosine:.4f}")


def flips_table(one: Quality, other: str, most: int) -> Table:
    """Return texts that the file that ships answers differently from another model.

    Args:
        one: how good it is.
        other: a name from its `against`.
        most: texts to show.
    """
    against = one.against[other]
    rows = [_flip(flip) for flip in against.flipped[:most]]
    told = f"{plural(against.flips, 'text')} of {one.score.n:,} that {one.model} on {one.device}"
    shown = f", the first {len(rows)}" if len(rows) < against.flips else ""
    title = f"{told} answers differently from the {other}{shown}"
    columns = ("text", "second text", "label", "shipped", other)
    return Table(title, columns, rows).trimmed()


def _flip(flip: Flip) -> tuple[Cell, ...]:
    answers = (_answer(said, right=said == flip.label) for said in (flip.shipped, flip.other))
    return (Cell(flip.text), Cell(flip.pair or ""), Cell(flip.label), *answers)


def _answer(said: str, *, right: bool) -> Cell:
    """Mark a right answer in words too: a terminal and a pipe show nothing in bold."""
    return Cell(said, "right" if right else "", right)
