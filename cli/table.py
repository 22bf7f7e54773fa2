"""Reading what `--data` names, for every command that takes it."""

from pathlib import Path

from kdc.cli.console import Terminal
from kdc.compress.data.dataset import Dataset
from kdc.compress.data.load import load_data


def load_table(
    terminal: Terminal, data: str, dev: Path | None, seed: int, **columns: str | None
) -> Dataset:
    """Load the rows of `data` and say what a user should know of them.

    Args:
        terminal: where the notes go.
        data: the value of `--data`.
        dev: the value of `--dev`.
        seed: chooses the rows that are set aside where there is no dev.
        columns: the values of `--text`, `--pair`, `--label` and `--metric`.

    Raises:
        KdcError: there is no such source, or it holds no usable rows.
    """
    rows = load_data(data, dev=dev, seed=seed, **columns)
    for note in rows.notes:
        terminal.say(note)
    return rows
