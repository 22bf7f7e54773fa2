"""The tasks whose rows come with kdc."""

from collections.abc import Callable
from dataclasses import dataclass

from kdc.compress.data.dataset import Dataset


@dataclass(frozen=True)
class BuiltinTask:
    """A row of the table of built-in tasks."""

    about: str
    load: Callable[[], Dataset]
    """Makes the dataset."""


def _phone_commands() -> Dataset:
    from kdc.compress.data.phone_commands import load

    return load()


TASKS = {
    "phone-commands": BuiltinTask(
        "what people say and type to a phone, by intent", _phone_commands
    ),
}
