"""What the runner is told, a small text file, and what it answers, a line of JSON.

A job has one statement in a line:

    kdc-job 1
    mode answer | measure | count
    threads N
    runs N, warmup N            rounds to measure, and to run before
    settle N                    runs before each that counts, where models take turns
    seconds S, warm_seconds S   time after which no further round is started
    limit S                     the system ends the runner after that long
    model PATH                  up to 16; the lines below it say how to open it
    level N                     of graph optimization: 0, 1, 2 or 99
    arena 0|1
    pattern 0|1
    entry KEY VALUE             of ONNX Runtime's session configuration
    text LENGTH ID... TYPE...
    end

`answer` runs every text alone. `measure` runs the models, each in a process of its own, round by
round in turns, text after text. `count` runs every text twice, and calls
`getpriority(0x4b4443, n)` right before (n = 2 * text) and after (n + 1) the second time, for an
emulator to see.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.jobs import SETTLING, Job
from kdc.export.options import SessionOptions

Text = tuple[list[int], list[int]]
"""Token ids and token types of one text."""
MOST_MODELS, MOST_TOKENS = 16, 65_536
_NOISE = re.compile(r".*Status Message: |\S*/onnxruntime_src/\S+:\d+ .*?\) ", re.DOTALL)
_LEVELS = {"disable": 0, "basic": 1, "extended": 2, "all": 99}
_FRESH_TEXTS = 64  # so that the rows of the word table are not all in the caches
_WARM_UP = 10  # runs, or one of each length where there are more
_WARM_UP_SHARE = 0.25  # of the measured seconds, at most


@dataclass(frozen=True)
class RunnerJob:
    """A job for the runner."""

    mode: Literal["answer", "measure", "count"]
    models: Sequence[tuple[str, SessionOptions]]
    """Paths as the device has them; `answer` and `count` take one."""
    texts: Sequence[Text]
    threads: int = 1
    runs: int = 1
    seconds: float = 0.0
    warm_up: int = 0
    warm_seconds: float = 0.0
    settle: int = 0
    limit: float = 0.0
    """Seconds after which the runner is ended; 0 for never."""

    def text(self) -> str:
        """Return the job as the runner reads it.

        Raises:
            KdcError: too many models, a path with a line break, or a text that is empty or too
                long.
        """
        lines = ["kdc-job 1", f"mode {self.mode}", f"threads {self.threads}", f"runs {self.runs}"]
        lines += [f"seconds {self.seconds:.3f}", f"limit {self.limit:.0f}"]
        lines += [f"warmup {self.warm_up}", f"warm_seconds {self.warm_seconds:.3f}"]
        lines += [f"settle {self.settle}"]
        if not 1 <= len(self.models) <= MOST_MODELS:
            raise KdcError(
                f"{len(self.models)} models: the runner takes 1 to {MOST_MODELS} at once"
            )
        for path, options in self.models:
            lines += _model_lines(path, options)
        lines += [_text_line(number, *text) for number, text in enumerate(self.texts, 1)]
        return "\n".join([*lines, "end", ""])


def measure_job(jobs: Sequence[Job], paths: Sequence[str], limit: float) -> RunnerJob:
    """Return what measures models in turns on the texts of the first job.

    Args:
        jobs: a job for each model; what is not the model's own is taken from the first.
        paths: of the models' files, as the device has them.
        limit: seconds after which the runner is ended.
    """
    first = jobs[0]
    options = [SessionOptions.from_dict(job.session, job.model) for job in jobs]
    return RunnerJob(
        "measure",
        list(zip(paths, options, strict=True)),
        drawn_texts(first, first.lengths),
        threads=first.threads,
        runs=first.runs,
        seconds=first.seconds,
        warm_up=max(_WARM_UP, len(first.lengths)),
        warm_seconds=first.seconds * _WARM_UP_SHARE,
        settle=SETTLING if len(jobs) > 1 else 0,
        limit=limit,
    )


def drawn_texts(job: Job, lengths: Sequence[int], at_least: int = _FRESH_TEXTS) -> list[Text]:
    """Draw texts of the given lengths in a shuffled order, over and over until there are enough."""
    rng = np.random.default_rng(job.seed)
    order = rng.permutation(np.asarray(lengths)).tolist() * -(-at_least // len(lengths))
    return [(rng.integers(*job.ids, size=length).tolist(), [0] * length) for length in order]


@dataclass(frozen=True)
class Report:
    """What the runner answered of one model; what its mode does not tell is None or empty."""

    onnxruntime: str
    load_ms: float | None = None
    first_ms: float | None = None
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    peak_rss_bytes: int | None = None
    private_bytes: int | None = None
    counted: int = 0
    """Texts whose run was marked for an emulator."""
    logits: list[list[float | None]] = field(default_factory=list)
    """(N, C) answers; None where one is no number."""


class RunnerError(Exception):
    """The runner could not do a job."""

    def __init__(self, reason: str, model: int = 0) -> None:
        """Keep why, and which of the job's models was at fault."""
        super().__init__(reason)
        self.reason, self.model = reason, model


def read_answer(text: str, job: RunnerJob) -> list[Report]:
    """Read what the runner printed: a report for each of the job's models.

    Raises:
        RunnerError: it says what is wrong, or what it printed is no answer to the job.
    """
    damaged = RunnerError("what the runner answered is damaged")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise damaged from error
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        which = value.get("model", 0)
        known = type(which) is int and 0 <= which < len(job.models)
        raise RunnerError(plain(value["error"]), which if known else 0)
    models = value.get("models") if isinstance(value, dict) else None
    if not isinstance(models, list) or len(models) != len(job.models):
        raise damaged
    reports = [_report(model) for model in models]
    for report in reports:
        if report is None or not _answers(report, job):
            raise damaged
    return [report for report in reports if report is not None]


def plain(reason: str) -> str:
    """Return an error of ONNX Runtime without its codes and places in its source, on one line."""
    sentence = _NOISE.sub("", reason[:4096])
    printable = "".join(letter if letter.isprintable() else " " for letter in sentence)
    return " ".join(printable.split())[:200].rstrip(".")


def _model_lines(path: str, options: SessionOptions) -> list[str]:
    if not path or "\n" in path:
        raise KdcError(f"{path!r} is no path that the runner can be given: rename the file")
    lines = [f"model {path}", f"level {_LEVELS[options.optimization]}"]
    lines += [f"arena {options.arena:d}", f"pattern {options.memory_pattern:d}"]
    return lines if options.prepacking else [*lines, "entry session.disable_prepacking 1"]


def _text_line(number: int, ids: list[int], types: list[int]) -> str:
    if not 0 < len(ids) == len(types) <= MOST_TOKENS:
        raise KdcError(
            f"text {number} has {len(ids)} tokens and {len(types)} types: "
            f"give it as many of each, from 1 to {MOST_TOKENS}"
        )
    return " ".join(["text", *map(str, [len(ids), *ids, *types])])


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _report(value: object) -> Report | None:
    """Return a model's part of the answer; None where a field has another type."""
    if not isinstance(value, dict) or not isinstance(value.get("onnxruntime"), str):
        return None
    known: dict[str, Any] = {name: value[name] for name in Report.__annotations__ if name in value}
    numbers = [known.get(name) for name in ("load_ms", "first_ms")]
    numbers += [known.get(name) for name in ("peak_rss_bytes", "private_bytes")]
    if not all(number is None or _is_number(number) for number in numbers):
        return None
    samples = (known.get("wall_ms", []), known.get("cpu_ms", []))
    if not all(isinstance(part, list) and all(map(_is_number, part)) for part in samples):
        return None
    if type(known.get("counted", 0)) is not int or not _are_rows(known.get("logits", [])):
        return None
    return Report(**known)


def _is_number(value: object) -> bool:
    """Whether it is a finite number from 0; JSON's 1e999 is infinite."""
    return type(value) in (int, float) and 0 <= value < 1e18  # type: ignore[operator]


def _are_rows(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        return False
    logits = [logit for row in value for logit in row]
    sound = all(c is None or (type(c) in (int, float) and abs(c) < 1e39) for c in logits)
    return sound and len({len(row) for row in value}) <= 1


def _answers(report: Report, job: RunnerJob) -> bool:
    """Whether a report holds what the job's mode asks for."""
    if job.mode == "answer":
        return len(report.logits) == len(job.texts) and bool(report.logits[0])
    if job.mode == "count":
        return report.counted == len(job.texts)
    times = (report.load_ms, report.first_ms)
    return None not in times and 0 < len(report.wall_ms) == len(report.cpu_ms) <= job.runs
