"""ONNX Runtime's own arm64 build on an emulated core: `--device arm64`, `--device arm64:CORE`.

The kernels are those that run on a phone with that core, and so is what they answer. How long an
emulator takes says nothing of a phone, so no time is told: models are compared by the instructions
of a run, a proxy of its work. On a real core two programs with as many of them can differ in time.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.devices.aarch64 import bundle, compilers, emulator, libraries
from kdc.export.devices.aarch64.cores import find_core
from kdc.export.devices.aarch64.emulator import emulate
from kdc.export.devices.aarch64.job_file import Report, RunnerError, RunnerJob, Text, drawn_texts
from kdc.export.devices.device import Device, Need
from kdc.export.jobs import Answers, Asked, Job, Reading
from kdc.export.machine import cores
from kdc.export.model_file import ORT, read_model_file
from kdc.export.options import SessionOptions

_TEXTS = 15  # of a job; counts grow evenly with the length, so that these few show all
_LEAST = 3  # runs, to show how little they scatter
_EMULATORS = 8  # at once at most, for each holds the model
_SHARE = 16  # texts that one emulator at least is started for
_START, _EACH = 300.0, 60.0  # seconds to wait: to open a model, and for each text of the largest


def measure(job: Job, address: str = "") -> Reading:
    """Count the instructions of runs, on at most 15 of the job's lengths, evenly spread.

    Neither times nor memory are told: they would be the emulator's. `seconds` is no limit, for
    counts hardly scatter and need no many.

    Raises:
        KdcError: an unknown core, more than one thread, something missing, an emulator that cannot
            count, or a model that is refused, crashes, is killed or hangs.
    """
    if job.threads != 1:
        raise KdcError(
            f"--threads {job.threads}: on arm64 the instructions of one thread are counted, for "
            "waiting threads run some too; give --threads 1"
        )
    texts = drawn_texts(job, _lengths(job), at_least=_LEAST)[: job.runs]
    report, instructions = _ask("count", job, texts, address)
    return Reading(
        load_ms=None,
        first_ms=None,
        wall_ms=[],
        cpu_ms=[],
        peak_rss_bytes=None,
        private_bytes=None,
        onnxruntime=report.onnxruntime,
        instructions=instructions,
        where=_where(address),
    )


def turns(jobs: Sequence[Job], address: str = "") -> list[Reading]:
    """Count the runs of several models on the lengths of the first job.

    What else this machine does is not in a count, so that models are counted side by side.

    Raises:
        KdcError: as `measure`.
    """
    first = jobs[0]
    alike = [replace(job, lengths=first.lengths, seed=first.seed, runs=first.runs) for job in jobs]
    with ThreadPoolExecutor(min(cores(), _EMULATORS)) as pool:
        return list(pool.map(lambda job: measure(job, address), alike))


def answer(asked: Asked, address: str = "") -> Answers:
    """Answer texts as ONNX Runtime does on that core, each alone.

    An emulated core is slow, so that all of this machine's share the texts.

    Raises:
        KdcError: an unknown core, something missing, a model that is refused, crashes, is killed
            or hangs, or an answer that is no number.
    """
    texts = list(zip(asked.tokens, asked.types, strict=True))
    if not texts:
        raise KdcError(f"there is no text to run {asked.model} on")
    parts = _parts(texts, max(1, min(cores(), _EMULATORS) // asked.threads))
    with ThreadPoolExecutor(len(parts)) as pool:
        asking = [pool.submit(_ask, "answer", asked, part, address) for part in parts]
        reports = [future.result()[0] for future in asking]
    rows = [row for report in reports for row in report.logits]
    logits = [[value for value in row if value is not None] for row in rows]
    for number, (kept, row) in enumerate(zip(logits, rows, strict=True), 1):
        if len(kept) < len(row):
            raise KdcError(f"{asked.model} answers text {number} with no number: export it again")
    return Answers(logits, reports[0].onnxruntime, _where(address))


def _parts(texts: list[Text], most: int) -> list[list[Text]]:
    """Split texts in order among emulators, where there are enough of them to pay for a start."""
    count = max(1, min(most, len(texts) // _SHARE))
    ends = [len(texts) * part // count for part in range(count + 1)]
    return [texts[start:end] for start, end in pairwise(ends)]


def needs() -> Iterator[Need]:
    """Look for the emulator, compilers and libraries."""
    found = emulator.find_emulator()
    version = f"QEMU {found.version}" if found else "no qemu-aarch64"
    yield Need("emulator", found is not None, version, "" if found else emulator.GET)
    cross = compilers.cross_compiler()
    told = cross.version if cross else "no compiler for arm64"
    yield Need("compiler", cross is not None, told, "" if cross else compilers.GET_CROSS)
    yield _libraries()
    yield _counter(found)


def _counter(found: emulator.Emulator | None) -> Need:
    """Look for what counts instructions; answers do without it."""
    own = compilers.own_compiler()
    if own is None:
        told = "no compiler for this machine, so instructions cannot be counted"
        return Need("counter", False, told, compilers.GET_OWN)
    if found and not emulator.loads_plugins(found):
        told = f"QEMU {found.version} loads no plugins, so instructions cannot be counted"
        return Need("counter", False, told, emulator.GET_PLUGINS)
    return Need("counter", True, f"a plugin by {own.version}")


def _libraries() -> Need:
    installed = libraries.installed_libraries()
    if installed:
        return Need("libraries", True, str(installed[libraries.LOADER].parent))
    if libraries.can_fetch():
        return Need("libraries", True, "fetched from Debian's packages when they are needed")
    return Need("libraries", False, "no C library of arm64", libraries.INSTALL)


def _lengths(job: Job) -> list[int]:
    """Return the lengths to count, the shortest, the median and the longest among them."""
    lengths = np.sort(job.lengths)
    places = np.linspace(0, len(lengths) - 1, min(_TEXTS, len(lengths))).round().astype(int)
    chosen: list[int] = lengths[places].tolist()
    return chosen


def _ask(
    mode: Literal["answer", "count"], asked: Job | Asked, texts: list[Text], address: str
) -> tuple[Report, list[int]]:
    core = find_core(address)
    path = Path(asked.model)
    if path.suffix != ORT:  # which the runner checks
        read_model_file(path)
    elif not path.is_file():
        raise KdcError(f"there is no model at {path}: name an .onnx or .ort file")
    options = SessionOptions.from_dict(asked.session, asked.model)
    seconds = _START + _EACH * len(texts)
    job = RunnerJob(
        mode,
        [(str(path.absolute()), options)],
        texts,
        threads=asked.threads,
        limit=seconds + 1,  # it ends by itself where this process was killed
    )
    try:
        return emulate(job, core, seconds)
    except RunnerError as error:
        reason = f"{asked.model} cannot be run on arm64:{core}: {error.reason}"
        raise KdcError(reason) from error


def _where(address: str) -> dict[str, str]:
    """Return what was emulated and by what."""
    found = emulator.find_emulator()
    told = {"core": find_core(address), "emulator": f"QEMU {found.version}" if found else "QEMU"}
    return {**told, "runner": bundle.FORMAT}


DEVICE = Device(
    "ONNX Runtime's arm64 build on an emulated core: answers and instructions, never times",
    measure,
    answer,
    needs,
    turns,
    unit="instructions",
)
