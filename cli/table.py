"""Reading what `--data` names, for every command that takes it."""

from pathlib import Path

from kdc.cli.console import Terminal
from kdc.compress.data.dataset import Dataset, Split
from kdc.compress.data.labels import Known
from kdc.compress.data.load import load_data
from kdc.compress.data.unlabelled import load_unlabelled


def load_table(
    terminal: Terminal,
    data: str,
    dev: Path | None,
    known: Known | None = None,
    aside: bool = True,
    /,
    **columns: str | None,
) -> Dataset:
    """Load the rows of `data` and say what a user should know of them.

    Args:
        terminal: where the notes go.
        data: the value of `--data`.
        dev: the value of `--dev`.
        known: what the model answers with that the rows are to judge; None: they are to teach.
        aside: whether rows become dev rows where the source brings none.
        columns: the values of `--text`, `--pair`, `--label`, `--multi-label` and
            `--metric`.

    Raises:
        KdcError: there is no such source, or it holds no usable rows.
    """
    rows = load_data(data, dev=dev, known=known, aside=aside, **columns)
    for note in rows.notes:
        terminal.say(note)
    return rows


def load_more(
    terminal: Terminal, unlabelled: str | None, data: Dataset, text: str | None, pair: str | None
) -> Split | None:
    """Load the texts of `--unlabelled`, and say how many they are; None where it is not given.

    Raises:
        KdcError: the file cannot be used.
    """
    if unlabelled is None:
        return None
    found = load_unlabelled(Path(unlabelled), data, text, pair)
    for note in found.notes:
        terminal.say(note)
    return found.rows
