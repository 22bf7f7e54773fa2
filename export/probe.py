"""A first look at a model in a process of its own: `python -m kdc.export.probe`.

Some files and options crash ONNX Runtime instead of raising an error, and that must take nothing
else along. One `Probe` as JSON on standard input, one `Found` as JSON on standard output.
"""

import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.child import Silence, answer_one, ask
from kdc.export.options import DEFAULT, SessionOptions
from kdc.export.session import open_session

# -P: a numpy.py that lies in the user's folder must not be imported for numpy
COMMAND = [sys.executable, "-P", "-m", "kdc.export.probe"]
TIME_LIMIT = 300.0  # seconds; a model opens in one


@dataclass(frozen=True)
class Probe:
    """What to open, and the texts to run."""

    model: str
    session: dict[str, Any] = field(default_factory=dict)
    tokens: list[list[int]] = field(default_factory=list)
    """Token ids of each text; each is run alone, its token types all 0."""


@dataclass(frozen=True)
class Found:
    """What a model that opens says."""

    metadata: dict[str, str]
    fixed_length: int | None
    logits: list[list[float]]
    """(N, C) answers to the texts."""


def probe(
    model: Path, options: SessionOptions = DEFAULT, tokens: list[list[int]] | None = None
) -> Found:
    """Open a model and run texts in a process of its own.

    Raises:
        KdcError: it is refused, crashes or hangs.
    """
    # an absolute path: a name that begins with a dash, too, is then a file's
    wanted = Probe(str(model.absolute()), options.as_dict(), tokens or [])
    try:
        return Found(**ask(COMMAND, wanted, TIME_LIMIT))
    except Silence as error:
        child = error.ended
        if child is None:
            late = f"{model} did not open in {TIME_LIMIT:.0f} s: export it again"
            raise KdcError(late) from error
        fate = f"exit code {child.returncode}"
        if child.returncode < 0:
            fate = signal.Signals(-child.returncode).name
        message = f"{model} ends ONNX Runtime's process ({fate}): export it again"
        raise KdcError(message) from error


def look(wanted: Probe) -> Found:
    """Open the model in this process and run the texts.

    Raises:
        KdcError: it cannot be opened or run.
    """
    options = SessionOptions.from_dict(wanted.session, wanted.model)
    session = open_session(Path(wanted.model), options=options)
    rows = [np.array(row, dtype=np.int64) for row in wanted.tokens]
    logits = [session.run(row, np.zeros_like(row)).tolist() for row in rows]
    return Found(session.metadata, session.fixed_length, logits)


def main() -> None:
    """Answer one probe."""
    answer_one(lambda question: look(Probe(**question)))


if __name__ == "__main__":
    main()
