"""The console script `kdc`: Ctrl-C ends in a line while it is loaded and after its result, too."""

import os
import signal
from types import FrameType

_INTERRUPTED = b"kdc: interrupted\n"


def main() -> None:
    """Run the command line, which deals with signals itself as soon as it has been loaded."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:  # a job in the background may have been told to ignore it
        signal.signal(signal.SIGINT, _end)
    from kdc.cli.main import main as run

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        _end(signal.SIGINT, None)
    finally:
        signal.signal(signal.SIGTERM, _end)
        if heard:
            signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: there is nothing to clean up, and libraries would print where they were."""
    os.write(2, _INTERRUPTED)
    os._exit(1)
