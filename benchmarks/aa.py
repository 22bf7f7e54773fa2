"""The same model against itself, 100 times, on a machine whose every core is busy.

    python benchmarks/aa.py            # prints
    python benchmarks/aa.py --record   # and writes RESULTS.md

A measurement that tells two copies of one file apart would tell any two models apart. Beside
`kdc bench --vs` stands what is usually written: the time of many runs of one, then of the other.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
from entrants import ours
from opened import open_ours
from record import record
from sides import in_turns
from weights import find_weights

from kdc.compress.data.load import load_data
from kdc.export.subject import Subject, find_subject
from kdc.export.versus import TOLERANCE, Versus

# multiplies matrices that fill the caches, on all cores, for as long as its parent lives
_BUSY = "import os, numpy as np\nparent, a = os.getppid(), np.ones((1500, 1500))\n"
_BUSY += "while os.getppid() == parent: a @ a"
_LENGTH = 20  # tokens


def main() -> None:
    """Measure, and print or record."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="kdc-") as scratch:
        one, other = _copies(options.shape, Path(scratch), options.seed)
        found, plain = [], []
        with _busy(options.workers):
            for number in range(options.times):
                start = perf_counter()
                seed = options.seed + number
                found.append(in_turns(one, other, _LENGTH, options.rounds, options.seconds, seed))
                took = perf_counter() - start
                plain.append(_plain(one, other, options.plain_runs, seed))
                last, told = found[-1], f"plain {plain[-1]:.4f}, {took:.1f} s"
                told = f"{last.ratio.value:.4f}, control {last.control.value:.4f}, {told}"
                print(f"{number + 1}/{options.times}: {told}", flush=True)
    lines = _table(found, plain, options)
    if options.record:
        record("The same model against itself", lines)
    else:
        print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--shape", default="3x384", help="of the student, made with random weights")
    add("--times", type=int, default=100)
    add("--rounds", type=int, default=90, help="most rounds of a measurement")
    add("--seconds", type=float, default=4.0, help="most seconds for each side")
    add("--plain-runs", type=int, default=500, help="runs that the plain loop times of each side")
    add("--workers", type=int, default=os.cpu_count(), help="threads that keep cores busy")
    add("--seed", type=int, default=0)
    add("--record", action="store_true", help="write the table into RESULTS.md")
    return parser.parse_args()


def _copies(shape: str, root: Path, seed: int) -> tuple[Subject, Subject]:
    """Export a student of random weights, and copy the folder."""
    weights = find_weights(shape, "minilm", load_data("phone-commands"), root / "student", seed)
    entrant = ours(weights, ["--method", "int8-dynamic"], root)
    folder = entrant.path.parents[1]
    shutil.copytree(folder, root / "copy")
    return find_subject(folder), find_subject(root / "copy")


@contextmanager
def _busy(threads: int) -> Iterator[None]:
    """Keep cores busy with another process."""
    settings = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen([sys.executable, "-c", _BUSY], env=settings) as process:
        try:
            yield
        finally:
            process.kill()


def _plain(one: Subject, other: Subject, runs: int, seed: int) -> float:
    """Time many runs of one, then as many of the other, as it is usually done."""
    times = []
    for subject in (other, one):
        answer, rng = open_ours(subject.file.path), np.random.default_rng(seed)
        types = np.zeros(_LENGTH, dtype=np.int64)
        for _ in range(10):
            answer(rng.integers(*subject.ids, _LENGTH), types)
        start = perf_counter()
        for _ in range(runs):
            answer(rng.integers(*subject.ids, _LENGTH), types)
        times.append(perf_counter() - start)
    return times[0] / times[1]


def _table(
    found: Sequence[Versus], plain: Sequence[float], options: argparse.Namespace
) -> list[str]:
    ours_ = [one.ratio.value for one in found]
    held = sum(one.ratio.low <= 1 <= one.ratio.high for one in found)
    refused = sum(one.refused is not None for one in found)
    rounds = int(np.median([one.pairs for one in found]))
    return [
        "| measurement | within 3 % of 1 | within 1 % | furthest from 1 | standard deviation |",
        "|---|---|---|---|---|",
        _row("`kdc bench --vs`, CPU time", ours_),
        _row(f"plain loop, {options.plain_runs} runs of each", list(plain)),
        "",
        f"{options.shape} in int8, random weights, {_LENGTH} tokens, one thread, against a copy of "
        f"itself, {len(found)} times, while another process multiplies matrices on "
        f"{options.workers} threads; {rounds} rounds in the median. The 95 % interval held 1 in "
        f"{held} of {len(found)}; the control refused {refused}.",
    ]


def _row(name: str, ratios: list[float]) -> str:
    far = np.abs(np.array(ratios) - 1)
    near = [f"{int((far <= limit).sum())} of {len(far)}" for limit in (TOLERANCE, 0.01)]
    return f"| {name} | {near[0]} | {near[1]} | {far.max():.1%} | {np.std(ratios):.2%} |"


if __name__ == "__main__":
    main()
