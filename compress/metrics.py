"""Task metrics from logits, each with its 95 % interval, in numpy alone."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from kdc.compress.arrays import Array
from kdc.compress.errors import KdcError, unknown
from kdc.compress.task import Kind

_Z = 1.959964  # the normal quantile of a two-sided 95 % interval
_RESAMPLES = 1000


@dataclass(frozen=True)
class Score:
    """A metric's value on some rows."""

    metric: str
    """A name from `METRICS`."""
    value: float
    """The metric as a fraction: 1 is perfect."""
    n: int
    """Rows it was measured on."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        interval = [round(self.low, 6), round(self.high, 6)]
        value = round(self.value, 6)
        return {"metric": self.metric, "value": value, "n": self.n, "interval": interval}

    @classmethod
    def from_dict(cls, fields: Any) -> "Score":  # noqa: ANN401 - it comes from a file
        """Read what `as_dict` wrote.

        Raises:
            KdcError: a field is missing or of another type.
        """
        try:
            low, high = (float(end) for end in fields["interval"])
            return cls(str(fields["metric"]), float(fields["value"]), int(fields["n"]), low, high)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise KdcError("a score in metrics.json or a manifest is damaged") from error

    def __str__(self) -> str:
        """Print like `accuracy 91.20 % (89.1 to 92.9, n = 872)`."""
        value, low, high = 100 * self.value, 100 * self.low, 100 * self.high
        return f"{self.metric} {value:.2f} % ({low:.1f} to {high:.1f}, n = {self.n})"


def accuracy(predicted: Array, gold: Array) -> float:
    """Share of rows whose predicted class is the gold one; both (N,) int."""
    return float(np.mean(predicted == gold))


def f1(predicted: Array, gold: Array) -> float:
    """F1 of class 1, as GLUE scores MRPC and QQP; both (N,) int."""
    hits = float(np.sum((predicted == 1) & (gold == 1)))
    marked = float(np.sum(predicted == 1) + np.sum(gold == 1))
    return 2 * hits / marked if marked else 0.0


def macro_f1(predicted: Array, gold: Array) -> float:
    """Mean of every class's F1 over the classes that occur; both (N,) int."""
    classes = max(predicted.max(), gold.max()) + 1
    hits = np.bincount(gold[predicted == gold], minlength=classes)
    marked = np.bincount(predicted, minlength=classes) + np.bincount(gold, minlength=classes)
    return _mean_f1(np.concatenate([hits, marked]))


@dataclass(frozen=True)
class Sums:
    """A metric of several labels a row: a function of what each row counts, summed over the rows.

    Resamples of the rows then weigh these counts, and need not look at the labels again.
    """

    counts: Callable[[Array, Array], Array]
    """From (N, C) predictions and (N, C) labels, 1 where one holds, to (N, K) counts."""
    value: Callable[[Array], float]
    """From their (K,) sums to the metric."""

    def __call__(self, predicted: Array, gold: Array) -> float:
        """Measure (N, C) predictions against (N, C) labels."""
        return self.value(self.counts(predicted > 0, gold > 0).sum(axis=0))


def _mean_f1(sums: Array) -> float:
    """Return the mean F1 over the labels that occur, of (2 K,): K of hits, then K of marks."""
    hits, marked = np.split(sums, 2)
    some = marked > 0
    return float(np.mean(2 * hits[some] / marked[some])) if some.any() else 0.0


def _hits_and_marks(said: Array, true: Array) -> Array:
    return np.concatenate([said & true, np.add(said, true, dtype=np.int8)], axis=1)


def _in_all(said: Array, true: Array) -> Array:
    hits = np.count_nonzero(said & true, axis=1)
    return np.stack([hits, np.count_nonzero(said, 1) + np.count_nonzero(true, 1)], axis=1)


def _right(said: Array, true: Array) -> Array:
    return np.stack([alike(said, true), np.ones(len(said))], axis=1)


micro_f1 = Sums(_in_all, _mean_f1)
"""F1 of all labels of all rows as one heap of decisions."""
label_f1 = Sums(_hits_and_marks, _mean_f1)
"""Mean of every label's F1 over the labels that occur."""
subset_accuracy = Sums(_right, lambda sums: float(sums[0] / sums[1]))
"""Share of rows with every label right."""


def matthews(predicted: Array, gold: Array) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004); both (N,) int."""
    classes = max(predicted.max(), gold.max()) + 1
    p, g = (np.bincount(rows, minlength=classes).tolist() for rows in (predicted, gold))
    n, right = len(gold), int(np.count_nonzero(predicted == gold))
    scale = sqrt((n * n - sum(a * a for a in p)) * (n * n - sum(b * b for b in g)))
    return (n * right - sum(a * b for a, b in zip(p, g, strict=True))) / scale if scale else 0.0


def pearson(predicted: Array, gold: Array) -> float:
    """Linear correlation of two (N,) vectors; 0 where one of them is constant."""
    if np.ptp(predicted) == 0 or np.ptp(gold) == 0:  # rounding would make noise of it
        return 0.0
    p, g = predicted.astype(np.float64), gold.astype(np.float64)
    p, g = p - p.mean(), g - g.mean()
    scale = sqrt(float((p @ p) * (g @ g)))
    return float(p @ g) / scale if scale else 0.0


def spearman(predicted: Array, gold: Array) -> float:
    """Pearson correlation of the ranks, ties sharing their mean rank."""
    return pearson(_ranks(predicted), _ranks(gold))


def pearson_spearman(predicted: Array, gold: Array) -> float:
    """Mean of Pearson and Spearman, as GLUE scores STS-B."""
    return (pearson(predicted, gold) + spearman(predicted, gold)) / 2


def _ranks(values: Array) -> Array:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])


@dataclass(frozen=True)
class Metric:
    """A row of the table of metrics."""

    function: Callable[[Array, Array], float]
    kind: Kind
    """The kind of task it scores."""
    about: str


METRICS = {
    "accuracy": Metric(accuracy, "classification", "share of rows answered right"),
    "f1": Metric(f1, "classification", "F1 of the second of two classes (MRPC)"),
    "macro_f1": Metric(macro_f1, "classification", "mean of the classes' F1"),
    "matthews": Metric(matthews, "classification", "Matthews correlation (CoLA)"),
    "micro_f1": Metric(micro_f1, "multi-label", "F1 of all labels together"),
    "label_f1": Metric(label_f1, "multi-label", "mean of the labels' F1"),
    "subset_accuracy": Metric(subset_accuracy, "multi-label", "share of rows all right"),
    "pearson": Metric(pearson, "regression", "linear correlation"),
    "spearman": Metric(spearman, "regression", "rank correlation"),
    "pearson_spearman": Metric(pearson_spearman, "regression", "mean of both (STS-B)"),
}


USUAL_METRICS: dict[Kind, str] = {
    "classification": "accuracy",
    "multi-label": "micro_f1",
    "regression": "pearson_spearman",
}
"""What answers of a kind are scored by where the user says nothing."""


def predictions(logits: Array, kind: Kind) -> Array:
    """Turn (N, C) logits into what they say.

    Returns:
        (N,) classes; of multi-label (N, C) bool, True where a label's probability is above 0.5;
        of regression (N,) scores.
    """
    if kind == "multi-label":
        return np.asarray(logits > 0)
    return logits.argmax(axis=1) if kind == "classification" else logits[:, 0]


def refuse_broken(logits: Array) -> None:
    """Raise KdcError for answers that are no numbers."""
    if not np.isfinite(logits).all():
        raise KdcError("the model answers NaN or infinity: its weights are broken")


def alike(ours: Array, theirs: Array) -> Array:
    """Return (N,) bool: where two models' predictions, or a model's and the truth, are the same."""
    same = np.asarray(ours == theirs)
    return np.asarray(same.reshape(len(same), -1).all(axis=1))


def scorer(metric: str, logits: Array, gold: Array) -> Callable[[Array], float]:
    """Return what scores a choice of the rows, given as (M,) places: resamples ask it often."""
    row = METRICS[metric]
    predicted = predictions(logits, row.kind)
    if not isinstance(row.function, Sums):
        return lambda rows: row.function(predicted[rows], gold[rows])
    sums, n = row.function, len(gold)
    counts = sums.counts(predicted, gold > 0).astype(np.float64)
    return lambda rows: sums.value(np.bincount(rows, minlength=n) @ counts)


def score(metric: str, logits: Array, gold: Array) -> Score:
    """Measure (N, C) logits against (N,) labels, or (N, C) of multi-label.

    The interval is Wilson's for accuracy and a percentile bootstrap (1,000 seeded resamples) else.

    Raises:
        KdcError: as `value`.
    """
    found, n = value(metric, logits, gold), len(gold)
    if metric == "accuracy":
        low, high = _wilson(found, n)
    else:
        measure, rng = scorer(metric, logits, gold), np.random.default_rng(0)
        samples = [measure(rng.integers(0, n, n)) for _ in range(_RESAMPLES)]
        low, high = (float(end) for end in np.percentile(samples, [2.5, 97.5]))
    return Score(metric, found, n, low, high)


def value(metric: str, logits: Array, gold: Array) -> float:
    """Measure as `score` does, without the interval, which takes a thousand times as long.

    Raises:
        KdcError: no such metric, no rows, or logits that are not finite.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if len(gold) == 0 or len(gold) != len(logits):
        raise KdcError(f"cannot score {len(logits)} answers against {len(gold)} labels")
    refuse_broken(logits)
    return scorer(metric, logits, gold)(np.arange(len(gold)))


def _wilson(share: float, n: int) -> tuple[float, float]:
    centre = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z * sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n)) / (1 + _Z * _Z / n)
    return max(0.0, centre - half), min(1.0, centre + half)
