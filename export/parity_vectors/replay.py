"""A tokenizer in another language, run on vectors: how many ids and offsets differ, and where."""

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kdc.compress.errors import KdcError
from kdc.export.parity_vectors.vectors import as_line

_SHOWN = 5  # differences, written out
_LONGEST = 160  # characters of something that is shown


@dataclass(frozen=True)
class Replay:
    """What came of it."""

    texts: int
    """How many were asked."""
    fields: frozenset[str]
    """What the program tells of `ids`, `types` and `offsets`, and was held to."""
    differing: dict[str, int]
    """Kind of text -> how many of them differ; the others are not here."""
    first: list[str]
    """The first differences, a line each."""
    seconds: float
    """Wall time, the program's start included."""

    @property
    def differences(self) -> int:
        """How many texts differ."""
        return sum(self.differing.values())


def replay(command: Sequence[str], vectors: Iterable[dict[str, Any]]) -> Replay:
    """Give vectors to a program, a line of JSON each, and compare the lines that it answers.

    Args:
        command: a program that reads {"text", "pair"?} lines and writes as many lines with
            `ids`, `types` and `offsets`, or with some of those.
        vectors: what `make_vectors` yields; not kept in memory.

    Raises:
        KdcError: the program does not start, fails, or answers too few lines or no JSON.
    """
    with tempfile.TemporaryDirectory(prefix="kdc-vectors-") as scratch:
        asked = Path(scratch) / "vectors.jsonl"
        with asked.open("w", encoding="ascii") as lines:
            lines.writelines(as_line(vector) + "\n" for vector in vectors)
        answered, seconds = _run(command, asked)
        with asked.open(encoding="ascii") as wanted, answered.open(encoding="utf-8") as found:
            try:
                return _compare(wanted, found, seconds)
            except ValueError as error:
                raise KdcError(f"{command[0]} answers with something else than JSON") from error


def _run(command: Sequence[str], asked: Path) -> tuple[Path, float]:
    answered = asked.with_name("answers.jsonl")
    start = time.perf_counter()
    try:
        with asked.open("rb") as given, answered.open("wb") as taken:
            done = subprocess.run(command, stdin=given, stdout=taken, stderr=subprocess.PIPE)
    except OSError as error:
        raise KdcError(f"{command[0]} does not start: {error.strerror}") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise KdcError(f"{command[0]} fails: {(told or ['it does not say why'])[-1][:_LONGEST]}")
    return answered, time.perf_counter() - start


def _compare(wanted: IO[str], found: IO[str], seconds: float) -> Replay:
    differing: Counter[str] = Counter()
    first: list[str] = []
    fields: frozenset[str] = frozenset()
    texts = 0
    for line in wanted:
        vector, answer = json.loads(line), json.loads(found.readline())
        if not isinstance(answer, dict):
            raise ValueError("no object")
        fields = fields if texts else frozenset(answer) & {"ids", "types", "offsets"}
        texts += 1
        other = [name for name in sorted(fields) if answer.get(name) != vector[name]]
        if other or not fields:
            differing[vector["case"]] += 1
            if len(first) < _SHOWN:
                first.append(_shown(vector, answer, other))
    return Replay(texts, fields, dict(differing), first, seconds)


def _shown(vector: dict[str, Any], answer: dict[str, Any], names: list[str]) -> str:
    told = [f"{name} {answer.get(name)} for {vector[name]}"[:_LONGEST] for name in names]
    return f"{vector['case']} {ascii(vector['text'])[:_LONGEST]}: {'; '.join(told)}"
