"""A fresh process that runs its model whenever it is its turn: `python -m kdc.export.turning`.

The first line on standard input is a `Job`; its answer says how opening went. Each further line is
a `Turn` and answered with its times; `"end"` is answered with the memory.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Any

from kdc.export.conversation import answer_lines
from kdc.export.cpu_profile import find_profile
from kdc.export.draws import draw_rows
from kdc.export.jobs import SETTLING, Job
from kdc.export.options import SessionOptions
from kdc.export.process_memory import peak_rss_bytes, private_bytes
from kdc.export.session import open_session

END = "end"
MOST_RUNS = 12
"""Runs of a turn, of which the least disturbed counts: on a busy machine a process is stopped every
few runs, and the next one begins with cold caches."""


@dataclass(frozen=True)
class Turn:
    """What to do when it is a model's turn."""

    runs: int
    """Runs to take the least time of, after those to settle; at most `MOST_RUNS`."""
    core: int | None = None
    """The core to run on; None for any."""


class Turner:
    """A model that is open and waits for its turns."""

    def __init__(self, job: Job) -> None:
        """Open the model and run it once.

        Raises:
            KdcError: it cannot be opened or run.
        """
        said = find_profile(job.cpu_profile).apply()
        import onnxruntime

        # one thread does all the work; of several, the calling one does only its share
        self._clock = thread_time if job.threads == 1 else process_time
        self._rows = draw_rows(job, SETTLING + MOST_RUNS)
        self._before = private_bytes()
        options = SessionOptions.from_dict(job.session, job.model)
        self._session = open_session(Path(job.model), job.threads, options)
        ((tokens, types),) = next(draw_rows(job, 1))
        start = perf_counter()
        self._session.run(tokens, types)
        self.opened = {
            "load_ms": self._session.load_ms,
            "first_ms": (perf_counter() - start) * 1e3,
            "onnxruntime": onnxruntime.__version__,
            "where": {"cpu_profile": said} if said else {},
        }

    def take(self, turn: Turn) -> dict[str, float]:
        """Run texts of the next length; answer with the least wall and CPU time of a run."""
        if turn.core is not None and sys.platform == "linux":
            os.sched_setaffinity(0, {turn.core})
        rows = next(self._rows)[: SETTLING + turn.runs]
        for row in rows[:SETTLING]:
            self._session.run(*row)
        walls, cpus = [], []
        for tokens, types in rows[SETTLING:]:
            start, cpu_start = perf_counter(), self._clock()
            self._session.run(tokens, types)
            cpu, wall = self._clock() - cpu_start, perf_counter() - start
            walls.append(wall * 1e3)
            cpus.append(cpu * 1e3)
        return {"wall_ms": min(walls), "cpu_ms": min(cpus)}

    def memory(self) -> dict[str, int]:
        """Return what the process has taken."""
        grown = max(0, private_bytes() - self._before)
        return {"peak_rss_bytes": peak_rss_bytes(), "private_bytes": grown}


def main() -> None:
    """Answer until standard input ends."""
    turners: list[Turner] = []

    def answer(line: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
        if not turners:
            turners.append(Turner(Job(**line)))
            return turners[0].opened
        return turners[0].memory() if line == END else turners[0].take(Turn(**line))

    answer_lines(answer)


if __name__ == "__main__":
    main()
