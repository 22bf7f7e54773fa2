"""How long work tells how far it is, without knowing who listens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """What the command line implements with bars, and scripts with nothing."""

    def say(self, text: str) -> None:
        """Print one line that a user should read."""

    def bar(self, what: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """Show work of `total` units of which `done` are done; call the result to advance."""


class Silent:
    """A Progress that shows nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    @contextmanager
    def bar(self, what: str, total: int, done: int = 0) -> Iterator[Advance]:
        """Show nothing."""
        yield lambda units: None


def some(names: Sequence[str]) -> str:
    """Print the first names of many, such as `a, b, c, d, ...`."""
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def plural(count: int, what: str) -> str:
    """Print a count of things, such as `1 thread`, `2 threads` or `2 classes`."""
    end = "es" if what.endswith("s") else "s"
    return f"{count:,} {what}{'' if count == 1 else end}"
