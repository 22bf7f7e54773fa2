"""Shipped files on emulated arm64 cores: what they answer there, and whether broken ones show.

    python benchmarks/arm64.py --teacher sst2/teacher --weights sst2/student minilm
    python benchmarks/arm64.py ... --record      # and writes RESULTS.md

`minilm` is the teacher's own weights. Two files are broken on purpose, of the first weights: one
whose weights have a zero point that they were not rounded with, wrong on every processor, and one
whose weights reach -128, which a core without a dot product sums up in too few bits: right on the
host and on newer cores, wrong on older ones.
"""

import argparse
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from broken import BROKEN
from entrants import Entrant, ours
from record import record
from weights import Weights, find_weights

from kdc.compress.artifact import read_student
from kdc.compress.data.load import load_data
from kdc.export.devices import find_device
from kdc.export.jobs import Asked, Job
from kdc.export.model_file import read_model_file
from kdc.export.parity import spread

Array = npt.NDArray[np.float64]
_SST2 = Path(__file__).parents[2] / "shared" / "data" / "glue" / "SST-2"
_HOST_AGREES, _STUDENT_AGREES, _MINUTES = 0.99, 0.95, 3.0


@dataclass(frozen=True)
class Texts:
    """Dev rows as a file reads them, and what is known of them."""

    tokens: list[list[int]]
    types: list[list[int]]
    labels: Array
    student: Array
    """(N, C) logits of the fp32 weights."""


@dataclass(frozen=True)
class Row:
    """A file on one device."""

    file: str
    device: str
    accuracy: float
    agree_host: float
    agree_student: float
    cosine: tuple[float, float]
    """Least and median of the texts' cosines with the host's logits."""
    difference: float
    """Mean absolute difference from the host's logits."""
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all processes together."""

    @property
    def is_sound(self) -> bool:
        """Whether it answers as on the host and as the weights that it was made of."""
        return self.agree_host >= _HOST_AGREES and self.agree_student >= _STUDENT_AGREES

    def cells(self) -> str:
        """Return a row of the Markdown table."""
        low, median = self.cosine
        return (
            f"| {self.file} | {self.device} | {self.accuracy:.1%} | {self.agree_student:.1%} | "
            f"{self.agree_host:.1%} | {low:.4f} | {median:.7f} | {self.difference:.4f} | "
            f"{self.wall:.0f} | {self.cpu:.0f} |"
        )


def main() -> None:
    """Run every file on every core and print or record it; exit code 1 where a goal is missed."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="kdc-") as scratch:
        lines, reached = _contest(options, Path(scratch))
    if options.record:
        record("Shipped files on emulated arm64 cores", lines)
    else:
        print("\n".join(lines))
    sys.exit(0 if reached else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--weights", nargs="+", default=["minilm"], help="student folders, or minilm")
    add("--teacher", default="minilm", help="the model folder that minilm stands for")
    add("--data", default=str(_SST2) if _SST2.is_dir() else "phone-commands")
    add("--texts", type=int, default=200, help="dev rows, evenly spread")
    add("--cores", nargs="+", default=["cortex-a53", "cortex-a76"])
    add("--export", default="--exporter lean --method int8-dynamic", help="options of kdc export")
    add("--record", action="store_true", help="write the table into RESULTS.md")
    return parser.parse_args()


def _contest(options: argparse.Namespace, scratch: Path) -> tuple[list[str], bool]:
    data = load_data(options.data)
    devices = [f"arm64:{core}" for core in options.cores]
    made: list[tuple[Weights, Entrant]] = []
    for name in options.weights:
        out = scratch / Path(name).name
        weights = find_weights(name, options.teacher, data, out / "student", 0)
        made.append((weights, ours(weights, shlex.split(options.export), out)))
    _warm(made[0][1], devices[0])  # the runner is built once on a machine: not part of the time
    start, cpu = time.monotonic(), _children_cpu()
    sound = [row for pair in made for row in _rows(*pair, devices, options.texts)]
    minutes, cpu = (time.monotonic() - start) / 60, (_children_cpu() - cpu) / 60
    counted = [_counted(*pair, devices) for pair in made]
    weights, entrant = made[0]
    broken: dict[str, list[Row]] = {}
    for what, spoil in BROKEN.items():
        path = spoil(entrant.path, scratch / "broken.onnx")
        spoilt = Entrant(what, path, entrant.opener, entrant.tokenizer)
        broken[what] = list(_rows(weights, spoilt, devices, options.texts))
    caught = {
        what: [row.device for row in rows if not row.is_sound] for what, rows in broken.items()
    }
    reached = all(row.is_sound for row in sound) and all(caught.values()) and minutes < _MINUTES
    every = [*sound, *(row for rows in broken.values() for row in rows)]
    lines = [*_table(every), "", *_table_of_counts(counted, devices), ""]
    return [*lines, *_verdicts(options.texts, minutes, cpu, caught)], reached


def _rows(weights: Weights, entrant: Entrant, devices: Sequence[str], count: int) -> Iterator[Row]:
    """Answer the same texts on the host and on every device."""
    texts = _texts(weights, entrant, count)
    there = "" if entrant.name == "kdc" else f", {entrant.name}"
    here: Array | None = None
    for device in ("host", *devices):
        wall, cpu = time.monotonic(), _children_cpu()
        logits = _answers(entrant, device, texts)
        spent = (time.monotonic() - wall, _children_cpu() - cpu)
        here = logits if here is None else here
        yield _row(weights.name + there, device, logits, here, texts, spent)


def _texts(weights: Weights, entrant: Entrant, count: int) -> Texts:
    dev = read_student(weights.folder).dev()
    picked = spread(len(dev), count)
    rows = entrant.rows(dev)
    chosen = [rows[index] for index in picked]
    return Texts(
        tokens=[ids.tolist() for ids, _ in chosen],
        types=[types.tolist() for _, types in chosen],
        labels=np.asarray(dev.labels)[picked],
        student=np.asarray(dev.logits)[picked].astype(np.float64),
    )


def _answers(entrant: Entrant, device: str, texts: Texts) -> Array:
    found, address = find_device(device)
    session = read_model_file(entrant.path).session.as_dict()
    asked = Asked(str(entrant.path), texts.tokens, texts.types, session=session)
    return np.array(found.answer(asked, address).logits)


def _row(
    file: str, device: str, logits: Array, here: Array, texts: Texts, spent: tuple[float, float]
) -> Row:
    norms = np.linalg.norm(logits, axis=1) * np.linalg.norm(here, axis=1)
    cosines = (logits * here).sum(axis=1) / norms
    labels = logits.argmax(axis=1)
    return Row(
        file=file,
        device=device,
        accuracy=float((labels == texts.labels).mean()),
        agree_host=float((labels == here.argmax(axis=1)).mean()),
        agree_student=float((labels == texts.student.argmax(axis=1)).mean()),
        cosine=(float(cosines.min()), float(np.median(cosines))),
        difference=float(np.abs(logits - here).mean()),
        wall=spent[0],
        cpu=spent[1],
    )


def _children_cpu() -> float:
    """Return the CPU seconds of all ended child processes."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _counted(weights: Weights, entrant: Entrant, devices: Sequence[str]) -> list[str]:
    """Return a file's name and the median instructions of a run on each device."""
    file = read_model_file(entrant.path)
    job = Job(str(entrant.path), list(file.lengths or [20]), (5, 100), 1, 1.0)
    cells = [weights.name]
    for device in devices:
        found, address = find_device(device)
        reading = found.measure(replace(job, session=file.session.as_dict()), address)
        cells.append(f"{np.median(reading.instructions) / 1e6:.1f} M")
    return cells


def _table(rows: Sequence[Row]) -> list[str]:
    return [
        "| file | device | accuracy | labels of fp32 | labels of the host | least cosine | "
        "median cosine | mean difference | wall s | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row.cells() for row in rows),
    ]


def _table_of_counts(counted: Sequence[Sequence[str]], devices: Sequence[str]) -> list[str]:
    head = f"| instructions of a run, median of the task's lengths | {' | '.join(devices)} |"
    return [head, "|---" * (len(devices) + 1) + "|", *(f"| {' | '.join(c)} |" for c in counted)]


def _verdicts(texts: int, minutes: float, cpu: float, caught: dict[str, list[str]]) -> list[str]:
    timely = "in time" if minutes < _MINUTES else "too late"
    return [
        f"Each device answers {texts} dev sentences, one by one; cosines and differences are of "
        f"logits, with the host's of the same file. Sound: at least {_HOST_AGREES:.0%} of the "
        f"host's labels and {_STUDENT_AGREES:.0%} of the fp32 weights'.",
        "",
        f"* the sound files on every core, the host's part included: {minutes:.1f} min, {timely} "
        f"(less than {_MINUTES:.0f}); {cpu:.1f} min of CPU time",
        *(
            f"* {what}: {'caught on ' + ', '.join(devices) if devices else 'NOT caught'}"
            for what, devices in caught.items()
        ),
    ]


def _warm(entrant: Entrant, device: str) -> None:
    found, address = find_device(device)
    found.answer(Asked(str(entrant.path), [[5, 6]], [[0, 0]]), address)


if __name__ == "__main__":
    main()
