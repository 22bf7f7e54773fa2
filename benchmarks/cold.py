"""What opening a model costs a process that has just started: time to load, first answer, memory.

The parent starts a fresh child for every reading, the files in turn; the child is this file too.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from opened import OPENERS

from kdc.export.process_memory import private_bytes

_RUNS = 20  # after the first: by then the arena has grown to what it stays at


@dataclass(frozen=True)
class Cold:
    """One fresh process, or the median of several."""

    load_ms: float
    """CPU time to open the file, which the system holds in memory: steady where others disturb."""
    load_wall_ms: float
    """Time on the clock of the same."""
    first_ms: float
    """CPU time of the first answer."""
    private_mb: float
    """Memory of its own, in 10^6 bytes, that the process gained from before the file was opened
    until after 21 answers."""


def cold_starts(
    files: Sequence[tuple[Path, str]], tokens: list[int], rounds: int, seed: int
) -> list[Cold]:
    """Open every file in a fresh process of its own, `rounds` times, in a seeded order.

    Args:
        files: each `.onnx` with its name in `OPENERS`.
        tokens: the text that is answered.
        rounds: processes for each file, after one that is not counted.
        seed: gives the orders.

    Returns:
        The medians of each file.
    """
    rng = np.random.default_rng(seed)
    taken: list[list[Cold]] = [[] for _ in files]
    for _ in range(rounds + 1):
        for index in rng.permutation(len(files)):
            path, opener = files[index]
            job = json.dumps({"path": str(path), "opener": opener, "tokens": tokens})
            command = [sys.executable, __file__]
            done = subprocess.run(command, input=job, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{path} cannot be opened in a fresh process:\n{done.stderr}")
            taken[index].append(Cold(**json.loads(done.stdout)))
    return [_median(readings[1:]) for readings in taken]  # the first reads the file from the disk


def _median(readings: list[Cold]) -> Cold:
    rows = [list(asdict(reading).values()) for reading in readings]
    return Cold(*np.median(rows, axis=0).tolist())


def _reading(path: Path, opener: str, tokens: list[int]) -> Cold:
    ids = np.array(tokens, dtype=np.int64)
    types = np.zeros_like(ids)
    before, start, cpu_start = private_bytes(), perf_counter(), process_time()
    answer = OPENERS[opener](path)
    loaded, cpu_loaded = perf_counter(), process_time()
    answer(ids, types)
    cpu_first = process_time()
    for _ in range(_RUNS):
        answer(ids, types)
    grown = max(0, private_bytes() - before) / 1e6
    return Cold(
        load_ms=(cpu_loaded - cpu_start) * 1e3,
        load_wall_ms=(loaded - start) * 1e3,
        first_ms=(cpu_first - cpu_loaded) * 1e3,
        private_mb=grown,
    )


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps(asdict(_reading(Path(given["path"]), given["opener"], given["tokens"]))))
