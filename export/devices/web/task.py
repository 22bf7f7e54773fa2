"""What the page is told to do: one JSON object, and the models' files beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.errors import KdcError
from kdc.export.draws import draw_rows
from kdc.export.jobs import SETTLING, Asked, Job
from kdc.export.model_file import ModelFile, read_model_file
from kdc.export.options import SessionOptions
from kdc.export.probe import probe
from kdc.export.session import PADDING

_WARM_UP = 10  # runs, or one of each length where there are more
_WARM_UP_SHARE = 0.25  # of the measured seconds, at most
_ROWS = 1000  # turns whose texts are sent; those beyond them begin again with the first


@dataclass(frozen=True)
class Task:
    """What to serve beside the page."""

    models: tuple[str, ...]
    """The models as the user knows them."""
    seconds: float
    """How long the page means to work, opening and slow single runs aside."""
    files: dict[str, Path | bytes]
    """Everything that is served for it, by path; `task` is the JSON."""


def measuring(jobs: Sequence[Job]) -> Task:
    """Let models run texts in turns, in an order that is drawn for each round.

    Raises:
        KdcError: a model is missing or damaged, or they do not share one number of threads.
    """
    if len({job.threads for job in jobs}) != 1:
        raise KdcError("a page gives all its models the same number of threads: give one --threads")
    warm_up = max(_WARM_UP, *(len(job.lengths) for job in jobs))
    seconds = sum(job.seconds for job in jobs)
    runs = min(job.runs for job in jobs)
    rng = np.random.default_rng(jobs[0].seed)
    told = {
        "kind": "measure",
        "threads": jobs[0].threads,
        "warm_up": warm_up,
        "warm_up_seconds": seconds / len(jobs) * _WARM_UP_SHARE,
        "runs": runs,
        "seconds": seconds,
        "orders": [rng.permutation(len(jobs)).tolist() for _ in range(min(runs, _ROWS))],
    }
    settle = SETTLING if len(jobs) > 1 else 0
    texts = [_drawn(job, 1 + warm_up + min(runs, _ROWS), settle) for job in jobs]
    return _task(told, jobs, texts, [None] * len(jobs), seconds * (1 + _WARM_UP_SHARE))


def answering(asked: Asked) -> Task:
    """Let one model answer texts.

    Raises:
        KdcError: the model is missing or damaged, or a text is longer than it reads.
    """
    told = {"kind": "answer", "threads": asked.threads}
    texts = [[tokens] for tokens in asked.tokens]
    return _task(told, [asked], [texts], [asked.types], 0.0)


def _task(
    told: dict[str, Any],
    jobs: Sequence[Job | Asked],
    texts: Sequence[list[list[list[int]]]],
    types: Sequence[list[list[int]] | None],
    seconds: float,
) -> Task:
    """Put it all together; `texts` holds for each model the token ids of each run of each turn."""
    files: dict[str, Path | bytes] = {}
    models = []
    for index, job in enumerate(jobs):
        file = read_model_file(Path(job.model))
        _check_lengths(file, texts[index])
        for part, path in enumerate(file.files):
            files[f"models/{index}/{part}"] = path
        models.append(
            {
                # weights lie in files of their own, under the names that the graph knows them by
                "weights": [str(path.relative_to(file.path.parent)) for path in file.files[1:]],
                "options": SessionOptions.from_dict(job.session, job.model).for_web(),
                "fixed": file.fixed_length,
                "padding": _padding(file),
                "turns": texts[index],
                "types": types[index],
            }
        )
    files["task"] = json.dumps({**told, "models": models}).encode()
    return Task(tuple(job.model for job in jobs), seconds, files)


def _drawn(job: Job, turns: int, settle: int) -> list[list[list[int]]]:
    """Draw the texts of at least so many turns, in whole rounds of the lengths."""
    rounds = -(-turns // len(job.lengths))
    groups = islice(draw_rows(job, settle + 1), rounds * len(job.lengths))
    return [[tokens.tolist() for tokens, _ in group] for group in groups]


def _check_lengths(file: ModelFile, texts: list[list[list[int]]]) -> None:
    longest = max((len(text) for turn in texts for text in turn), default=0)
    if file.fixed_length is not None and longest > file.fixed_length:
        raise KdcError(
            f"{file.path} reads texts of at most {file.fixed_length} tokens, not {longest}: "
            "cut them, or export it with another length"
        )


def _padding(file: ModelFile) -> int:
    """Return the id that fills a text up to a fixed length, as ONNX Runtime reads it."""
    if file.fixed_length is None:
        return 0
    return int(probe(file.path).metadata.get(PADDING, "0"))
