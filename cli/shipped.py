"""What a user reads of an export: the methods that were tried, and where the bytes are."""

from math import ceil

from kdc.cli.console import Terminal
from kdc.cli.written import do_all
from kdc.compress.stages import ROUNDINGS
from kdc.export.ledger import GROUPS, Row
from kdc.export.ship import Shipped
from kdc.export.trials import Outcome, Trial

_VERDICT = 60  # characters of a verdict, beside which the other columns take as many


def show(terminal: Terminal, shipped: Shipped) -> None:
    """Write an export's result and print its tables.

    The result comes first: who reads the tables may leave before their end. They are printed though
    its file cannot be written: the folder is there, and what it cost is told nowhere else.

    Raises:
        KdcError: the file cannot be written.
    """
    do_all(lambda: terminal.result(shipped.as_dict()), lambda: _tell(terminal, shipped))


def _tell(terminal: Terminal, shipped: Shipped) -> None:
    outcome, prepared = shipped.outcome, shipped.prepared
    _show_methods(terminal, f"phone folder {shipped.folder}", outcome)
    terminal.table("where its bytes are", ("part", "MB", "MB zipped", ""), _bytes(shipped.ledger))
    if prepared.vocabulary is not None:
        cut = prepared.vocabulary
        terminal.say(
            f"vocabulary: {cut.rows:,} of {cut.rows_before:,} tokens; {cut.changed:.1%} of dev's "
            f"are cut otherwise, which costs {prepared.vocabulary_drop} points"
        )
    if prepared.length_drop is not None:
        length = prepared.student.max_length
        terminal.say(f"--length {length}: cutting dev's texts costs {prepared.length_drop} points")
    for trial in _learnable(outcome):
        allowed = max(0.0, ceil(10 * trial.drop.points) / 10)
        terminal.say(
            f"{trial.method} would ship with --max-drop {allowed:g}; less is lost by a student of "
            f'a recipe with quantize = "{trial.method}" under [train]'
        )
    terminal.say(f"{shipped.copy}: {outcome.shipped.score}")


def _show_methods(terminal: Terminal, title: str, outcome: Outcome) -> None:
    """Print what was tried; a sentence that would make the table unreadably wide stands below."""
    columns = ("method", "MB", "MB zipped", "same labels", "points lost", "p", "verdict")
    long = [row for row in outcome.refused if len(row.reason) > _VERDICT]
    refused = [
        (row.method, *["-"] * 5, "cannot be used" if row in long else row.reason)
        for row in outcome.refused
    ]
    terminal.table(title, columns, refused + [_trial(trial) for trial in outcome.trials])
    for row in long:
        terminal.say(row.reason if row.method in row.reason else f"{row.method}: {row.reason}")


def _learnable(outcome: Outcome) -> list[Trial]:
    """Return the best method that can be trained for, where only a larger one passed.

    It failed for its points alone: what else is wrong with it, no --max-drop lets ship.
    """
    failed = [
        trial
        for trial in outcome.trials[:-1]
        if trial.only_points and trial.method in ROUNDINGS[1:]
    ]
    return [] if outcome.shipped.method in ROUNDINGS[1:] else failed[-1:]


def _trial(trial: Trial) -> tuple[str, ...]:
    same = trial.parity.agreement
    return (
        trial.method,
        _mb(trial.bytes),
        _mb(trial.zip_bytes),
        "-" if same is None else f"{100 * same:.2f} %",
        str(trial.drop),
        f"{trial.drop.p:.2g}",
        trial.fault or "shipped",
    )


def _bytes(ledger: tuple[Row, ...]) -> list[tuple[str, ...]]:
    rows = [(row.group, _mb(row.bytes), _mb(row.zip_bytes), GROUPS[row.group]) for row in ledger]
    whole = (sum(row.bytes for row in ledger), sum(row.zip_bytes for row in ledger))
    return [*rows, ("all", *(_mb(count) for count in whole), "the phone folder")]


def _mb(count: int) -> str:
    return f"{count / 1e6:.2f}"
