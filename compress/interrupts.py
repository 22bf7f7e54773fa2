"""Ctrl-C at a good moment: between two steps, with the state kept."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from kdc.compress.errors import Stopped


@contextmanager
def kept(what: str) -> Iterator[None]:
    """Say at Ctrl-C what is kept, in work that its command goes on with.

    Raises:
        Stopped: Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Stopped(f"interrupted: {what} kept, and the same command goes on") from error


class Interrupts:
    """Notes SIGINT and SIGTERM while the block runs, instead of raising in the middle of a step.

    A second Ctrl-C raises at once. Outside the main thread, where Python delivers no signals,
    nothing is noted.
    """

    def __init__(self, *, patient: bool = False) -> None:
        """Choose what a second signal does.

        Args:
            patient: under torchrun, which sends signals on, so that they come twice: a second one
                does nothing, and who had the signals before is told of the first afterwards.
        """
        self.asked = False
        self._patient = patient
        self._old: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        """Take the two signals over."""
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._old[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self._patient and self.asked:
            signal.raise_signal(signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked and not self._patient:
            raise KeyboardInterrupt
        self.asked = True
