"""Quantize, measure on dev, and keep the smallest file that is still good enough."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.artifact import Student
from kdc.compress.errors import GateFailed, KdcError
from kdc.compress.examples import Examples
from kdc.compress.metrics import Score, predictions, score
from kdc.compress.progress import Progress
from kdc.export.fixed import fix_length
from kdc.export.model_file import deflated_bytes
from kdc.export.onnx_file import save_model, stamp
from kdc.export.options import PROPERTY
from kdc.export.paired import ALPHA
from kdc.export.parity import Drop, Parity, compare, metric_drop
from kdc.export.quantizers import NONE, QUANTIZERS
from kdc.export.quantizers.situation import Situation
from kdc.export.session import answer, open_session

_POINTS = 1.0  # that may be lost where the user says nothing
_EPSILON = 1e-9
_OFF = 0.2  # of the spread of a student's scores; on STS-B int8 was off by 0.09, int4 by 0.11


@dataclass(frozen=True)
class Trial:
    """One quantization method and what it costs."""

    method: str
    path: Path
    """The `.onnx` it wrote; temporary."""
    bytes: int
    """Of what ships: in the layout in which it ships; of the others as one `.onnx`."""
    zip_bytes: int
    """Bytes after deflate: what an app's download grows by. Of the same files as `bytes`."""
    parity: Parity
    """Against the student's own answers, each row alone."""
    drop: Drop
    """What the metric lost against the student."""
    score: Score
    """The metric on dev."""
    fault: str | None
    """Why it does not ship; None where it passed the gate."""
    only_points: bool = False
    """Whether it is for points alone, so that a larger `--max-drop` would let it ship."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "method": self.method,
            "bytes": self.bytes,
            "zip_bytes": self.zip_bytes,
            "parity": self.parity.as_dict(),
            "drop": self.drop.as_dict(),
            "score": self.score.as_dict(),
            "fault": self.fault,
        }


@dataclass(frozen=True)
class Refusal:
    """A method that cannot store this model, or whose file gives no answers to measure."""

    method: str
    reason: str
    """The fact alone: what to do about it holds where no other method ships."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"method": self.method, "refused": self.reason}


@dataclass(frozen=True)
class Outcome:
    """What was tried."""

    trials: tuple[Trial, ...]
    """From the smallest file up; the last of them passed."""
    refused: tuple[Refusal, ...]

    @property
    def shipped(self) -> Trial:
        """The method that ships."""
        return self.trials[-1]

    def laid_out(self, size: int, zip_bytes: int) -> "Outcome":
        """Return it with the bytes that what ships has in its layout."""
        shipped = replace(self.shipped, bytes=size, zip_bytes=zip_bytes)
        return replace(self, trials=(*self.trials[:-1], shipped))

    def as_dict(self) -> list[dict[str, Any]]:
        """Return plain values for JSON."""
        refused = [row.as_dict() for row in self.refused]
        return refused + [row.as_dict() for row in self.trials]


@dataclass(frozen=True)
class Gate:
    """What a quantized model is measured against."""

    student: Student
    dev: Examples
    """Rows with the student's own logits."""
    max_drop: float | None = None
    """Points of the metric that may be lost. None: one point, and no more than chance may lose.
    Whatever it is, one label for every text and scores on another scale do not pass."""
    cuts: tuple[str, ...] = ()
    """Options whose cuts may cost something in fp32 already, which is no fault of a method."""

    def fault(self, logits: Array, drop: Drop) -> str | None:
        """Say why answers, (N, C), do not pass; None where they do."""
        kind = self.student.task.kind
        if kind != "regression":
            ours, theirs = (predictions(x, kind) for x in (logits, np.asarray(self.dev.logits)))
            if (ours == ours[0]).all() and not (theirs == theirs[0]).all():
                return "gives every text the same label"
        too_much = self.too_much(drop)
        return self._shifted(logits) if too_much is None and kind == "regression" else too_much

    def too_much(self, drop: Drop) -> str | None:
        """Say why a loss of points does not pass; None where it does."""
        allowed = _POINTS if self.max_drop is None else self.max_drop
        if drop.points > allowed + _EPSILON:  # 100 x (0.93 - 0.92) is a little more than 1
            return f"loses {drop.points:.2f} points where --max-drop allows {allowed:g}"
        if self.max_drop is None and drop.points > 0 and drop.p < ALPHA:
            return f"loses {drop.points:.2f} points, which is no chance (p = {drop.p:.2g})"
        return None

    def _shifted(self, scores: Array) -> str | None:
        """Say how far (N, 1) scores are off the student's: correlations see no scale or shift."""
        wanted = np.asarray(self.dev.logits, dtype=np.float64)
        off, spread = float(np.abs(scores - wanted).mean()), float(wanted.std())
        if off <= _OFF * spread:
            return None
        return f"gives scores {off:.2g} off on average, where the student's spread by {spread:.2g}"


def try_methods(
    methods: Sequence[str],
    graph: Callable[[bool], Path],
    facts: Mapping[str, str],
    gate: Gate,
    situation: Situation,
    progress: Progress,
) -> Outcome:
    """Try methods from the smallest download to the largest until one passes the gate.

    A method passes that loses no more than the gate allows, unless the user chose how much is not
    significantly worse than the student on the same rows, and has more than one answer. What is
    compared are the `.onnx` files: a layout that stores weights in another way may rank otherwise.

    Args:
        methods: names from `QUANTIZERS`. Several: one that cannot store this model is noted and
            the next is tried. One: its error is raised.
        graph: returns the exported fp32 model; called with whether a method wants it in standard
            operators. What the methods write lies beside it.
        facts: the metadata of every file; each gets its method's session options beside.
        gate: what they are measured against.
        situation: what the methods may look at.
        progress: shows how far it is.

    Raises:
        GateFailed: none passed.
        KdcError: the one method that was asked for cannot store this model.
    """
    files: dict[str, Path] = {}
    trials: list[Trial] = []
    refused: list[Refusal] = []
    for method in methods:
        progress.say(f"quantizing: {method}")
        with _noted(method, methods, refused):
            files[method] = _write(method, graph, facts, situation)
    sizes = {method: deflated_bytes(path) for method, path in files.items()}
    for method in sorted(files, key=lambda method: sizes[method]):
        with _noted(method, methods, refused):
            trials.append(_measure(method, files[method], sizes[method], gate, progress))
            if trials[-1].fault is None:
                return Outcome(tuple(trials), tuple(refused))
    in_fp32 = _cost_of_cuts(graph, gate, progress) if trials and gate.cuts else None
    raise _none_passed(trials, refused, gate, in_fp32)


@contextmanager
def _noted(method: str, methods: Sequence[str], refused: list[Refusal]) -> Iterator[None]:
    """Note what a method cannot do and go on, unless it is the only one."""
    try:
        yield
    except KdcError as error:
        if len(methods) == 1:
            raise
        refused.append(Refusal(method, error.fact))


def _write(
    method: str, graph: Callable[[bool], Path], facts: Mapping[str, str], situation: Situation
) -> Path:
    """Write a method's file, beside the fp32 one.

    Raises:
        KdcError: the method cannot store this model, or makes it no smaller.
    """
    row = QUANTIZERS[method]
    fp32 = graph(row.standard)
    path = fp32.with_name(f"{method}.onnx")
    row.quantize(fp32, path, situation)
    if situation.length is not None:  # not before: methods run texts of their own lengths
        import onnx

        model = onnx.load(path)
        fix_length(model, situation.length)
        save_model(model, path)
    if method != NONE and path.stat().st_size >= fp32.stat().st_size:
        raise KdcError(f"{method} makes this model no smaller", f"export it with --method {NONE}")
    stamp(path, {**facts, PROPERTY: json.dumps(row.session.as_dict(), sort_keys=True)})
    return path


def _measure(method: str, path: Path, zip_bytes: int, gate: Gate, progress: Progress) -> Trial:
    task, reference = gate.student.task, np.asarray(gate.dev.logits)
    logits = answer(open_session(path), gate.dev, progress)
    parity = compare(f"the {method} model", logits, reference, task.kind)
    drop = metric_drop(task.metric, logits, reference, gate.dev.labels)
    fault = gate.fault(logits, drop)
    anything = replace(gate, max_drop=inf)
    return Trial(
        method=method,
        path=path,
        bytes=path.stat().st_size,
        zip_bytes=zip_bytes,
        parity=parity,
        drop=drop,
        score=score(task.metric, logits, gate.dev.labels),
        fault=fault,
        only_points=fault is not None and anything.fault(logits, drop) is None,
    )


def _cost_of_cuts(graph: Callable[[bool], Path], gate: Gate, progress: Progress) -> Drop:
    """Measure what the cuts alone cost: what the fp32 graph that was quantized has lost."""
    logits = answer(open_session(graph(False)), gate.dev, progress)
    return metric_drop(
        gate.student.task.metric, logits, np.asarray(gate.dev.logits), gate.dev.labels
    )


def _none_passed(
    trials: list[Trial], refused: list[Refusal], gate: Gate, in_fp32: Drop | None
) -> GateFailed:
    """Tell the best figure that was reached, or why there is none.

    Args:
        trials: what was measured.
        refused: what could not be.
        gate: which none passed.
        in_fp32: what the gate's cuts cost without any quantization; None where nothing was cut.
    """
    if not trials:
        reasons = "; ".join(f"{row.method}: {row.reason}" for row in refused)
        return GateFailed(
            f"no method can store this model ({reasons}): nothing was written; "
            f"export it with --method {NONE}"
        )
    best = min(trials, key=lambda trial: trial.drop.points)
    drop, blamed = best.drop, in_fp32 is not None and gate.too_much(in_fp32) is not None
    by_cuts, mends = "", []
    if in_fp32 is not None and in_fp32.points > 0:
        lose = "loses" if len(gate.cuts) == 1 else "lose"
        by_cuts = f"; in fp32 {' and '.join(gate.cuts)} alone {lose} {in_fp32.points:.2f} points"
        mends = [f"give a larger {' or '.join(gate.cuts)}"]
    mends += [
        *([] if blamed else ["train a sturdier student"]),
        *(["raise --max-drop"] if best.only_points else []),
        *([] if blamed or best.method == NONE else [f"export with --method {NONE}"]),
    ]
    return GateFailed(
        f"{best.method} {best.fault} ({best.score.metric} against the student: {drop.points:.2f} "
        f"points lost, 95 % interval {drop.low:.2f} to {drop.high:.2f}, n = {best.score.n}), and "
        f"it was the best of {len(trials)} tried{by_cuts}: nothing was written; "
        + ", or ".join(mends)
    )
