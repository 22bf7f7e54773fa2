"""The gate: does a file answer what the student answered, and what did quantization cost?"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import GateFailed
from kdc.compress.examples import Examples
from kdc.compress.metrics import METRICS, alike, predictions, scorer
from kdc.compress.progress import Progress
from kdc.compress.task import Kind
from kdc.export.paired import bootstrap_p, mcnemar
from kdc.export.session import Session

EXACT = 1e-3
"""Largest difference of a logit that counts as the same model; a label can then differ only where
two logits lie within twice that, or one of several labels' within that of 0. Of scores it is so
many of their `unit`."""
_FINE = 1000  # times its spread a score may be off 0: fp32 has seven digits in all
_ROWS = 512  # spread over dev: a graph that is right on them is right
_BATCH = 8
_RESAMPLES = 1000
_NOTHING = "nothing was written; distil again"  # unless another method ships


@dataclass(frozen=True)
class Parity:
    """How near two sets of answers to the same texts are."""

    rows: int
    largest: float
    """Largest absolute difference of a logit."""
    mean: float
    """Mean absolute difference of a logit."""
    agreement: float | None
    """Share of rows with the same predicted class, or labels; None for regression."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Drop:
    """What a metric lost, in points: 1 is a hundredth of the metric's scale."""

    points: float
    """Loss on all rows; negative is a gain."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""
    p: float
    """How often chance alone loses this much: below `paired.ALPHA` the loss is real."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        interval = [round(self.low, 4), round(self.high, 4)]
        return {"points": round(self.points, 4), "interval": interval, "p": round(self.p, 6)}

    def __str__(self) -> str:
        """Print like `0.34 (-0.20 to 0.92)`."""
        return f"{self.points:.2f} ({self.low:.2f} to {self.high:.2f})"


def compare(what: str, logits: Array, reference: Array, kind: Kind) -> Parity:
    """Compare (N, C) logits with the (N, C) logits they should be.

    Raises:
        GateFailed: the shapes differ, or a logit is NaN or infinite; `what` names the model.
    """
    if logits.shape != reference.shape:
        told = f"{what} gives logits {logits.shape}, the student gave {reference.shape}"
        raise GateFailed(told, _NOTHING)
    if not np.isfinite(logits).all():
        raise GateFailed(f"{what} answers NaN or infinity", _NOTHING)
    difference = np.abs(logits.astype(np.float64) - reference)
    same = alike(predictions(logits, kind), predictions(reference, kind))
    return Parity(
        rows=len(logits),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        agreement=None if kind == "regression" else float(same.mean()),
    )


def metric_drop(metric: str, logits: Array, reference: Array, gold: Array) -> Drop:
    """Measure how much lower (N, C) logits score than the reference, both against their labels.

    The interval is a paired percentile bootstrap of 1,000 seeded resamples: both models are
    scored on the same rows each time, so that what they share cancels. The p value is that of
    McNemar's exact test for accuracy, and the bootstrap's for every other metric.
    """
    kind, n = METRICS[metric].kind, len(gold)
    ours, theirs = predictions(logits, kind), predictions(reference, kind)
    if np.array_equal(ours, theirs):
        return Drop(0.0, 0.0, 0.0, 1.0)

    measure, better = (scorer(metric, x, gold) for x in (logits, reference))

    def points(rows: Array) -> float:
        return 100 * (better(rows) - measure(rows))

    rng = np.random.default_rng(0)
    samples = np.array([points(rng.integers(0, n, n)) for _ in range(_RESAMPLES)])
    low, high = np.percentile(samples, [2.5, 97.5])
    exact = metric == "accuracy"
    p = mcnemar(ours == gold, theirs == gold) if exact else bootstrap_p(samples)
    return Drop(points(np.arange(n)), float(low), float(high), p)


def check_export(
    session: Session, dev: Examples, kind: Kind, padding: int, progress: Progress
) -> Parity:
    """Check that an fp32 export is the student: alone and in a padded batch.

    Args:
        session: the exported model.
        dev: rows with the student's own logits; at most 512 of them, evenly spread, are run.
        kind: the task's kind.
        padding: the padding token's id.
        progress: shows how far it is.

    Raises:
        GateFailed: a logit differs by more than `EXACT` units, or padding changes an answer.
    """
    rows = spread(len(dev), _ROWS)
    answers = []
    with progress.bar("check the export", len(rows)) as advance:
        for row in rows:
            answers.append(session.run(*dev.row(int(row))))
            advance(1)
    alone, wanted = np.stack(answers), np.asarray(dev.logits)[rows]
    parity = compare("the exported model", alone, wanted, kind)
    most = EXACT * unit(wanted, kind)
    if parity.largest > most:
        raise _differs("the student's own", parity, most)
    longest_first = np.argsort(-dev.lengths[rows], kind="stable")
    picked = longest_first[spread(len(rows), _BATCH)]
    batch = _padded(dev, rows[picked], padding)
    padded = compare("the exported model", session.run_batch(*batch), alone[picked], kind)
    if padded.largest > most:
        raise _differs("its own without padding", padded, most)
    return parity


def unit(logits: Array, kind: Kind) -> float:
    """Return what differences of (N, C) logits are measured in: 1, or the spread of large scores.

    Scores are in the table's units, prices say, and rounded in proportion to them.
    """
    if kind != "regression":
        return 1.0
    return max(1.0, float(logits.std()), float(np.abs(logits).max()) / _FINE)


def spread(n: int, most: int) -> Array:
    """Return at most `most` of the numbers below `n`, evenly spread from the first to the last."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(np.int64)


def _padded(dev: Examples, rows: Array, padding: int) -> tuple[Array, Array, Array]:
    """Return tokens, mask and types, each (B, T), of rows padded to the longest of them."""
    shape = (len(rows), int(dev.lengths[rows].max()))
    tokens, mask, types = np.full(shape, padding), np.zeros(shape), np.zeros(shape)
    for place, row in enumerate(rows):
        ids, kinds = dev.row(int(row))
        tokens[place, : len(ids)], types[place, : len(ids)] = ids, kinds
        mask[place, : len(ids)] = 1
    return tokens.astype(np.int64), mask.astype(np.int64), types.astype(np.int64)


def _differs(other: str, parity: Parity, most: float) -> GateFailed:
    agreement = "" if parity.agreement is None else f", labels agree on {parity.agreement:.2%}"
    return GateFailed(
        f"the exported model's logits differ from {other} by up to {parity.largest:.2g} on "
        f"{parity.rows} dev rows (at most {most:.3g} is the same model{agreement}): nothing was "
        "written; try another --exporter"
    )
