"""Times of every entrant at one length of text, with the control and the floor among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from entrants import Entrant, Row
from floor import open_floor
from opened import Answer
from paired import Array, Samples, Side, take_turns
from weights import Weights

from kdc.export.statistics import Ratio, ratio

_CONTROL, _FLOOR = -2, -1  # the last two sides


@dataclass(frozen=True)
class Speed:
    """What was measured at one length; the sides are ours, the peers, the control, the floor."""

    length: str
    samples: Samples
    seed: int

    @cached_property
    def cpu_ms(self) -> Array:
        """(sides,) medians."""
        return np.median(self.samples.cpu_ms, axis=0)

    @property
    def best(self) -> int:
        """The fastest peer's number among the sides."""
        return 1 + int(np.argmin(self.cpu_ms[1:_CONTROL]))

    @property
    def gain(self) -> Ratio:
        """CPU time of the fastest peer over ours."""
        return self._ratio(self.samples.cpu_ms, self.best, 0)

    @property
    def wall_gain(self) -> Ratio:
        """Wall time of the same peer over ours."""
        return self._ratio(self.samples.wall_ms, self.best, 0)

    @property
    def control(self) -> Ratio:
        """The first peer's file over itself, opened twice: what differs is the machine's doing."""
        return self._ratio(self.samples.cpu_ms, _CONTROL, 1)

    @property
    def distance(self) -> Ratio:
        """Our CPU time over that of the int8 products alone."""
        return self._ratio(self.samples.cpu_ms, 0, _FLOOR)

    def _ratio(self, times: Array, slow: int, fast: int) -> Ratio:
        return ratio([times[:, slow]], [times[:, fast]], self.seed)


class Track:
    """Entrants that are open, ready to be timed at any length."""

    def __init__(self, entrants: Sequence[Entrant], our: Weights, rounds: int, seed: int) -> None:
        self._answers = [entrant.open() for entrant in (*entrants, entrants[1])]
        self._shape, self._rounds, self._seed = our.shape, rounds, seed

    def time(self, length: str, rows: Sequence[Sequence[Row]]) -> Speed:
        """Time every entrant on the same texts.

        Args:
            length: what to call it.
            rows: each entrant's own tokens of the texts; every round takes the next text.
        """
        rng = np.random.default_rng(self._seed)
        order = np.resize(rng.permutation(len(rows[0])), self._rounds).tolist()
        texts = [[row[index] for index in order] for row in (*rows, rows[1])]
        sides = [_side(*pair) for pair in zip(self._answers, texts, strict=True)]
        sides.append(open_floor(self._shape, [len(tokens) for tokens, _ in texts[0]], self._seed))
        return Speed(length, take_turns(sides, self._rounds, self._seed), self._seed)


def _side(answer: Answer, texts: Sequence[Row]) -> Side:
    return lambda number: answer(*texts[number])
