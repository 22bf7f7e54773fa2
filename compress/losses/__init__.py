"""The objectives: one file each, one table of names."""

from kdc.compress.losses.hard_labels import HardLabels
from kdc.compress.losses.hidden_states import HiddenStates
from kdc.compress.losses.objective import Objective
from kdc.compress.losses.soft_labels import SoftLabels

LOSSES: dict[str, type[Objective]] = {
    "soft_labels": SoftLabels,
    "hard_labels": HardLabels,
    "hidden_states": HiddenStates,
}


def describe_losses() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table of objectives as columns and rows of text."""
    rows: list[tuple[str, ...]] = [
        (name, ", ".join(sorted(loss.needs)) or "nothing", loss.about, loss.source)
        for name, loss in LOSSES.items()
    ]
    return ("loss", "asks the teacher for", "what it is", "source"), rows
