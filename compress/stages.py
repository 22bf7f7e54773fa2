"""What a recipe is made of: how long and fast, where the weights start, stage after stage."""

from dataclasses import dataclass, field, replace
from typing import Any

from kdc.compress.errors import KdcError, unknown
from kdc.compress.layer_maps import NAMED, SEARCH

TASK, ALL, CORPUS = "task", "all", "corpus"
NONE, INT8, EMBEDDINGS4, INT4 = "none", "int8-dynamic", "int8-embeddings4", "int4"
ROUNDINGS = (NONE, INT8, EMBEDDINGS4, INT4)
"""Methods of `kdc export` that a model can be trained for."""
_HEAVIEST = 1e6  # of a loss


@dataclass(frozen=True)
class Training:
    """How long and how fast."""

    epochs: float = 3.0
    """Passes over the stage's rows."""
    min_steps: int = 0
    """A small table is passed over more often, until at least this many steps are done."""
    batch: int = 32
    """Rows in a step, over all processes together."""
    batch_tokens: int = 16_384
    """Tokens in a step of a corpus, in place of rows, over all processes together."""
    accumulate: int = 1
    """Parts that each process learns its share of a step in, where memory is short."""
    learning_rate: float = 1e-4
    """AdamW's peak rate, after the warm-up; it falls linearly to 0."""
    narrow_rate: float = 0.0
    """The rate in its place for a student that is narrower than its teacher, whose weights it
    cannot take over as they are; 0 for the same."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises linearly."""
    weight_decay: float = 0.01
    """AdamW's decay of matrices; vectors and embeddings are never decayed."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    dropout: float = 0.1
    """Probability in the model that is trained; the same in every stage."""
    evaluations: int = 8
    """How often dev is measured, at most (the steps between two are a whole number); the best of
    these models is kept."""
    ema: float = 0.0
    """Decay of an average of the weights, which is measured and kept in their place; 0 for none."""
    quantize: str = NONE
    """As which method of `kdc export` the model is rounded while the last steps train it."""
    quantize_share: float = 0.2
    """Share of the steps that are trained so."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            KdcError: one is no number or out of its range, or an unknown method of quantization.
        """
        if self.quantize not in ROUNDINGS:
            raise unknown("method to train for", str(self.quantize), ROUNDINGS)
        for name, low, high in (
            ("epochs", 1e-9, 10_000),
            ("min_steps", 0, 10_000_000),
            ("batch", 1, 65_536),
            ("batch_tokens", 1, 100_000_000),
            ("accumulate", 1, 65_536),
            ("learning_rate", 1e-9, 1.0),
            ("narrow_rate", 0.0, 1.0),
            ("warmup", 0.0, 1.0),
            ("weight_decay", 0.0, 10.0),
            ("clip", 1e-6, 1e6),
            ("dropout", 0.0, 0.9),
            ("evaluations", 1, 10_000),
            ("ema", 0.0, 0.999999),
            ("quantize_share", 1e-6, 1.0),
        ):
            value, whole = getattr(self, name), isinstance(low, int)
            if type(value) is not int and (whole or type(value) is not float):
                kind = "whole number" if whole else "number"
                raise KdcError(f"{name} must be a {kind}, not {value!r}")
            if not low <= value <= high:  # NaN is neither
                raise KdcError(f"{name} must be from {low} to {high}, not {value}")

    def for_width(self, *, narrow: bool) -> "Training":
        """Return what a student is trained with; `narrow`: it is narrower than its teacher."""
        return (
            replace(self, learning_rate=self.narrow_rate) if narrow and self.narrow_rate else self
        )


@dataclass(frozen=True)
class Start:
    """Where the weights start."""

    weights: str = "teacher"
    """`teacher` or `random`."""
    layers: str | tuple[int, ...] = "every-other"
    """Which teacher layers: a name of `layer_maps`, `search`, or a list of 0-based numbers."""

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            KdcError: unknown weights or layers, or layers of a teacher for random weights.
        """
        if self.weights not in ("teacher", "random"):
            raise unknown("start of the weights", str(self.weights), ("teacher", "random"))
        if isinstance(self.layers, str) and self.layers not in (*NAMED, SEARCH):
            raise unknown("layer map of the start", self.layers, (*NAMED, SEARCH))
        if isinstance(self.layers, list):
            object.__setattr__(self, "layers", tuple(self.layers))
        if self.weights == "random" and self.layers != Start.layers:
            raise KdcError(
                "layers in [start] are those of the teacher that a student begins with, and random "
                'weights begin with none: leave layers out, or say weights = "teacher"'
            )


@dataclass(frozen=True)
class Stage:
    """A stretch of training with losses, rows and a schedule of its own."""

    name: str
    losses: dict[str, dict[str, Any]]
    """Objective -> `weight` and the objective's own options."""
    train: Training = field(default_factory=Training)
    rows: str = ALL
    """`task`: the labelled rows; `all`: these and what is augmented or unlabelled; `corpus`: the
    sequences of a corpus, without any task."""

    @property
    def used(self) -> dict[str, dict[str, Any]]:
        """The losses that teach: a weight of 0 switches one off as if it were not there."""
        return {k: v for k, v in self.losses.items() if v.get("weight", 1.0) > 0}

    def __post_init__(self) -> None:
        """Check the rows and the weights of the losses.

        Raises:
            KdcError: unknown rows, no loss, a weight that is not a number from 0 up, or weights
                that sum to 0.
        """
        if self.rows not in (TASK, ALL, CORPUS):
            raise unknown(f"value of rows in {self.name}", self.rows, (TASK, ALL, CORPUS))
        weights = {name: options.get("weight", 1.0) for name, options in self.losses.items()}
        for name, weight in weights.items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not 0 <= weight <= _HEAVIEST:  # nor NaN
                raise KdcError(
                    f"{self.name}: {name}: weight must be a number from 0 to {_HEAVIEST:g}, "
                    f"not {weight!r}"
                )
        if sum(weights.values()) <= 0:
            raise KdcError(f"{self.name}: its losses' weights sum to 0: nothing would train")
