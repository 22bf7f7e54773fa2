"""How far a classifier's probabilities can be believed, before and after one temperature."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from kdc.compress.arrays import Array

Floats = npt.NDArray[np.float64]
BINS = 15
_RANGE = (0.05, 20.0)  # a model that is always right would be sharpened without end
_HALVINGS = 60
_SMALLEST = 1e-300  # a probability of 0 costs 690 nats, not infinity


@dataclass(frozen=True)
class Calibration:
    """What Guo et al. 2017 (arXiv 1706.04599) measure, on N rows.

    Where a row may have several labels, each label of each row is a decision between yes and no:
    the error is the mean over the labels of each one's own, the likelihood that of a decision, and
    one temperature serves all.
    """

    ece: float
    """Expected calibration error: by how much confidence and accuracy differ, from 0 to 1."""
    nll: float
    """Negative log-likelihood of the right classes, in nats a row (a decision)."""
    temperature: float
    """What divides the logits best: fitted on all N rows, from 0.05 to 20."""
    scaled_ece: float
    """The error after scaling, each half of the rows scaled by what was fitted on the other."""
    scaled_nll: float
    """The likelihood after the same scaling."""

    @property
    def at_the_end(self) -> bool:
        """Whether the temperature is an end of the range: beyond it the likelihood still rises."""
        return bool(np.isclose(self.temperature, _RANGE, rtol=1e-3).any())

    def as_dict(self) -> dict[str, float]:
        """Return plain values for JSON."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def calibration(logits: Array, gold: Array) -> Calibration:
    """Measure how well confidence is accuracy, before and after temperature scaling.

    Args:
        logits: (N, C).
        gold: (N,) classes, or (N, C) where a row may have several labels.
    """
    wide = logits.astype(np.float64)
    scaled, halves = wide.copy(), np.random.default_rng(0).permutation(len(gold)) % 2 == 0
    for half in (halves, ~halves):
        scaled[half] = wide[half] / best_temperature(wide[~half], gold[~half])
    ece, nll = _measured(wide, gold)
    scaled_ece, scaled_nll = _measured(scaled, gold)
    return Calibration(ece, nll, best_temperature(wide, gold), scaled_ece, scaled_nll)


def _measured(logits: Floats, gold: Array) -> tuple[float, float]:
    """Return the calibration error and the negative log-likelihood."""
    parts = [(softmax(part), truth) for part, truth in _decisions(logits, gold)]
    return (
        float(np.mean([expected_error(*part) for part in parts])),
        float(np.mean([negative_log_likelihood(*part) for part in parts])),
    )


def _decisions(logits: Floats, gold: Array) -> list[tuple[Floats, Array]]:
    """Return (N, C) logits with (N,) classes, or for each of several labels (N, 2) with (N,)."""
    if gold.ndim == 1:
        return [(logits, gold)]
    return [
        (np.stack([np.zeros(len(yes)), yes], axis=1), holds.astype(np.int64))
        for yes, holds in zip(logits.T, gold.T, strict=True)
    ]


def softmax(logits: Array) -> Floats:
    """Turn (N, C) logits into probabilities."""
    grown = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def sigmoid(logits: Array) -> Floats:
    """Turn logits into probabilities, each of its own."""
    return np.asarray(0.5 + 0.5 * np.tanh(logits.astype(np.float64) / 2))


def expected_error(probabilities: Floats, gold: Array, bins: int = BINS) -> float:
    """Return the expected calibration error (Naeini et al. 2015) over bins of one width.

    The mean over the rows of |accuracy - mean confidence| of the bin that a row's confidence, the
    probability of the class it is given, falls into; a bin holds its upper end.

    Args:
        probabilities: (N, C).
        gold: (N,) classes.
        bins: how many.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == gold
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(gold))


def negative_log_likelihood(probabilities: Floats, gold: Array) -> float:
    """Return the mean of -ln p of the right class, in nats, of (N, C) against (N,)."""
    right = probabilities[np.arange(len(gold)), gold.astype(np.int64)]
    return float(-np.log(np.maximum(right, _SMALLEST)).mean())


def best_temperature(logits: Array, gold: Array) -> float:
    """Return the temperature that gives (N,) classes, or (N, C) labels, the highest likelihood.

    The likelihood of (N, C) logits times b is concave in b = 1 / temperature: where its slope, the
    right logit less the expected one (each label's its own), changes its sign is the best; found by
    halving. Without rows it is 1.
    """
    if not len(gold):
        return 1.0
    wide, several = logits.astype(np.float64), gold.ndim == 2
    right = wide * gold if several else wide[np.arange(len(gold)), gold.astype(np.int64)]
    low, high = (float(np.log(1 / end)) for end in reversed(_RANGE))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        scaled = wide * np.exp(middle)
        expected = sigmoid(scaled) * wide if several else (softmax(scaled) * wide).sum(axis=1)
        low, high = (middle, high) if (right - expected).mean() > 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))
