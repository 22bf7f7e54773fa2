"""Our file against what peers ship: speed, loading, memory and fidelity, in one interleaved run.

    python benchmarks/graph.py                          # prints
    python benchmarks/graph.py --record                 # and writes RESULTS.md
    python benchmarks/graph.py --teacher sst2/teacher   # fidelity of trained weights

One thread, batch 1. First the same weights on both sides; then the shape that we would choose
against TinyBERT-4 as peers ship it. A peer's file opened twice is the control.
"""

import argparse
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cold import cold_starts
from contest import NATURAL, SAME_WEIGHTS, SHAPE, Goals, file_table, speed_table, verdicts
from entrants import Entrant, Fidelity, drawn_rows, fidelity, installed, ours, peers
from peers import optimum_python
from record import record
from speed import Track
from weights import Weights, find_weights

from kdc.compress.artifact import read_student
from kdc.compress.data.dataset import Dataset
from kdc.compress.data.load import load_data

_SST2 = Path(__file__).parents[2] / "shared" / "data" / "glue" / "SST-2"
_FIXED = (20, 128)


def main() -> None:
    """Run every contest and print, or record, its tables."""
    options = _options()
    data = load_data(options.data)
    with tempfile.TemporaryDirectory(prefix="kdc-") as scratch:
        sections = list(_sections(options, data, Path(scratch)))
    note = f"Times are CPU milliseconds, medians of {options.rounds} rounds in which all sides "
    note += f"have their turn, or of {options.starts} fresh processes (load, first answer of 20 "
    note += f"tokens, private memory). `{NATURAL}`: the dev texts of {data.task.name}; ratios with "
    note += f"their 95 % intervals; ours: `kdc export {shlex.join(options.export)}`; floor: the "
    note += "int8 products alone. Shapes have random weights."
    lines = [*(line for section in sections for line in section), note]
    if options.record:
        record("Our graph against what peers ship", lines)
    else:
        print("\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    both = "on both sides: minilm (the teacher's weights), a shape, or a student folder"
    add("--weights", nargs="*", default=["minilm", "tinybert-4", "3x384"], help=both)
    add("--teacher", default="minilm", help="the model folder that minilm stands for")
    add("--shape", default="phone-3x384", help="ours in the last contest, or a folder")
    add("--against", default="tinybert-4", help="the peers' in the last contest")
    add("--exporter", default="lean")
    add("--method", default="int8-dynamic")
    add("--more", default="", help="further options of kdc export, in one word")
    add("--data", default=_data(), help="the task whose dev texts are the natural lengths")
    add("--optimum-python", type=Path, help="of an environment that has optimum-onnx")
    add("--rounds", type=int, default=200)
    add("--starts", type=int, default=10)
    add("--seed", type=int, default=0)
    add("--record", action="store_true", help="write the tables into RESULTS.md")
    options = parser.parse_args()
    options.export = ["--exporter", options.exporter, "--method", options.method]
    options.export += shlex.split(options.more)
    return options


def _data() -> str:
    """Return SST-2 where it lies beside the repository, else the built-in task."""
    return str(_SST2) if _SST2.is_dir() else "phone-commands"


def _sections(options: argparse.Namespace, data: Dataset, root: Path) -> Iterator[list[str]]:
    """Make every file, and yield each contest's Markdown."""
    optimum = optimum_python(options.optimum_python)

    def make(name: str) -> Weights:
        place = root / "students" / name
        return find_weights(name, options.teacher, data, place, options.seed)

    for name in options.weights:
        weights, out = make(name), root / Path(name).name
        entrants = [ours(weights, options.export, out), *peers(weights, optimum, out)]
        yield _contest(SAME_WEIGHTS, weights, weights, entrants, options, out)
    our, their, out = make(options.shape), make(options.against), root / "shape"
    entrants = [ours(our, options.export, out), *peers(their, optimum, out)]
    yield _contest(SHAPE, our, their, entrants, options, out)


def _contest(
    goals: Goals,
    our: Weights,
    their: Weights,
    entrants: list[Entrant],
    options: argparse.Namespace,
    out: Path,
) -> list[str]:
    """Measure the entrants, ours first, and what it is once installed; returns Markdown."""
    rounds, seed = options.rounds, options.seed
    dev = read_student(our.folder).dev()
    track = Track(entrants, our, rounds, seed)
    texts = {
        str(length): [drawn_rows(entrants, length, rounds, seed)] * len(entrants)
        for length in _FIXED
    }
    texts[NATURAL] = [entrant.rows(dev) for entrant in entrants]
    speeds = [track.time(length, rows) for length, rows in texts.items()]
    every = [*entrants, installed(entrants[0], out)]
    files = [(entrant.path, entrant.opener) for entrant in every]
    tokens = texts[str(_FIXED[0])][0][0][0]
    colds = cold_starts(files, tokens.tolist(), options.starts, seed)
    near: list[Fidelity | None] = [None] * len(every)
    if our is their and our.trained:
        near = [fidelity(entrant, dev) for entrant in every]
    title = f"### {our.shape}, peers with {'the same weights' if our is their else their.shape}"
    tables = [*speed_table(speeds, entrants), "", *file_table(every, colds, near)]
    told = verdicts(goals, speeds, colds, near)
    return [title, "", *tables, "", *(f"* {verdict}" for verdict in told), ""]


if __name__ == "__main__":
    main()
