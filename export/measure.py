"""`kdc bench`: size, load time, latency and memory of a model file, each with its unit."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.errors import KdcError
from kdc.compress.files import MANIFEST, sha256
from kdc.compress.metrics import Score
from kdc.compress.progress import Progress
from kdc.export.devices import find_device
from kdc.export.jobs import Job, Reading
from kdc.export.lengths import Length, Texts, choose_texts
from kdc.export.machine import describe_machine
from kdc.export.model_file import ModelFile, read_model_file
from kdc.export.options import SessionOptions
from kdc.export.phone_model import Phone, find_phone, read_phone

FORMAT = "kdc.bench/1"
SECONDS = 4.0
# any encoder has these; below 5 stand padding and other special tokens, which some models count
_IDS_OF_FOREIGN = (5, 100)
_FIRST_WORD = 1000  # BERT's vocabularies hold special and unused tokens up to here


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of samples, between two samples by linear interpolation."""

    p50: float
    p95: float
    p99: float
    n: int
    """Samples they were taken from."""

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Percentiles":
        """Take them from samples in any order."""
        p50, p95, p99 = (float(value) for value in np.percentile(samples, [50, 95, 99]))
        return cls(p50, p95, p99, len(samples))


@dataclass(frozen=True)
class Measurement:
    """One model on one device at one length."""

    device: str
    threads: int
    texts: Texts
    reading: Reading
    """Everything the device measured, samples included."""

    @property
    def latency_ms(self) -> Percentiles:
        """Wall time of one text alone."""
        return Percentiles.of(self.reading.wall_ms)

    @property
    def cpu_ms(self) -> Percentiles:
        """CPU time of one text alone, over all threads: steady where other work disturbs."""
        return Percentiles.of(self.reading.cpu_ms)


@dataclass(frozen=True)
class Accuracy:
    """What a phone folder's manifest says of its model's quality."""

    shipped: Score
    """The score of the file that ships, on the task's dev rows."""
    teacher: Score
    """The teacher's score on the same rows."""


@dataclass(frozen=True)
class Bench:
    """All that was measured of one model."""

    model: str
    """The path that the user gave."""
    size_bytes: int
    """Bytes of the `.onnx`, and of the weights' files beside it that it names."""
    zip_bytes: int
    """The same after deflate at level 9. Of a phone folder, too, it is the model's files alone."""
    accuracy: Accuracy | None
    """None for a file that came out of no phone folder."""
    machine: dict[str, Any]
    runs: tuple[Measurement, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the contents of the JSON file."""
        runs = [self._run(run) for run in self.runs]
        return {"format": FORMAT, "machine": self.machine, "runs": runs, "versus": []}

    def _run(self, run: Measurement) -> dict[str, Any]:
        wall, cpu = run.latency_ms, run.cpu_ms
        return {
            "model": self.model,
            "device": run.device,
            "threads": run.threads,
            "length": run.texts.length,
            "size_bytes": self.size_bytes,
            "zip_bytes": self.zip_bytes,
            **_in_ms(load_ms=run.reading.load_ms, first_ms=run.reading.first_ms),
            "latency_ms": _in_ms(p50=wall.p50, p95=wall.p95, p99=wall.p99) | {"n": wall.n},
            "cpu_ms": _in_ms(p50=cpu.p50, p95=cpu.p95) | {"n": cpu.n},
            "peak_rss_bytes": run.reading.peak_rss_bytes,
            "private_bytes": run.reading.private_bytes,
        }


def bench(
    model: Path,
    lengths: Sequence[Length] | None,
    threads: int,
    device: str,
    progress: Progress,
    seconds: float = SECONDS,
) -> Bench:
    """Measure a model, each length in a fresh process.

    Args:
        model: an `.onnx`, or a phone folder, whose digests are checked first.
        lengths: what to run; None for the task's own lengths and 128 tokens.
        threads: threads that share the work of one run.
        device: a name from `DEVICES`.
        progress: told of every length.
        seconds: wall time to spend on the measured runs of each length.

    Raises:
        KdcError: an unknown device, no such model or a damaged one, lengths or threads that it or
            the device cannot do, or a process that crashed, was killed or hung.
    """
    chosen, address = find_device(device)
    if threads < 1:
        raise KdcError(f"--threads {threads}: give a whole number from 1")
    path, phone = _find(model)
    file = read_model_file(path)
    options = _options(file, phone)
    every = choose_texts(file, lengths, progress)
    runs, versions = [], set()
    with progress.bar(f"measure {model}", len(every)) as advance:
        for texts in every:
            tokens, ids = list(texts.tokens), _ids(file)
            job = Job(str(path), tokens, ids, threads, seconds, session=options.as_dict())
            reading = chosen.measure(job, address)
            runs.append(Measurement(device, threads, texts, reading))
            versions.add(reading.onnxruntime)
            advance(1)
    return Bench(
        model=str(model),
        size_bytes=file.size_bytes,
        zip_bytes=file.zip_bytes,
        accuracy=None if phone is None else _accuracy(phone),
        machine={**describe_machine(), "onnxruntime": ", ".join(sorted(versions))},
        runs=tuple(runs),
    )


def _find(model: Path) -> tuple[Path, Phone | None]:
    """Return the `.onnx` that a path means, and the phone folder whose model has its bytes.

    A copy's weights may lie in a file of their own, whose bytes have to be the same too.
    """
    if model.is_dir():
        phone = read_phone(model)
        return phone.model, phone
    with suppress(KdcError):  # most files come out of no phone folder
        phone = find_phone(model)
        ours, theirs = (read_model_file(path).files for path in (model, phone.model))
        if [sha256(path) for path in ours] == [sha256(path) for path in theirs]:
            return model, phone
    return model, None


def _options(file: ModelFile, phone: Phone | None) -> SessionOptions:
    """Return how to open the model: as its phone folder says, or else as the file itself does."""
    named = None if phone is None else phone.manifest.get("session")
    if phone is None or named is None:
        return file.session
    return SessionOptions.from_dict(named, str(phone.folder / MANIFEST))


def _accuracy(phone: Phone) -> Accuracy:
    metrics = phone.manifest.get("metrics")
    scores = metrics if isinstance(metrics, dict) else {}
    return Accuracy(Score.from_dict(scores.get("shipped")), Score.from_dict(scores.get("teacher")))


def _ids(file: ModelFile) -> tuple[int, int]:
    """Return the token ids to draw from: words where the vocabulary's size is known."""
    if file.vocab is None:
        return _IDS_OF_FOREIGN
    return min(_FIRST_WORD, file.vocab // 2), file.vocab


def _in_ms(**values: float | None) -> dict[str, float | None]:
    return {name: value if value is None else round(value, 4) for name, value in values.items()}
