"""An average of the weights over the last steps, which does better than the last weights alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kdc.compress.checkpoint import Tensors

_STEPS = "steps"


class Average:
    """The exponential moving average e of parameters w (Polyak and Juditsky 1992).

    After step t, counted from 1, e becomes d e + (1 - d) w with d = min(decay, (1 + t) / (10 + t)),
    from e = w at the start: the decay warms up as in TensorFlow's ExponentialMovingAverage (used
    by Szegedy et al. 2016, arXiv 1512.00567), so that a short run does not end near its start.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        """Start from the parameters as they are; `decay` is above 0 and below 1."""
        self._parameters: list[Tensor] = [each for each in parameters if each.requires_grad]
        self._average = [each.detach().clone() for each in self._parameters]
        self._decay = decay
        self._steps = 0

    def start_over(self) -> None:
        """Start from the parameters as they are now."""
        torch._foreach_copy_(self._average, [each.detach() for each in self._parameters])
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Count a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._average, self._parameters, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the average into the model; behind the block the weights are there again."""
        weights = [each.detach().clone() for each in self._parameters]
        self._put(self._average)
        try:
            yield
        finally:
            self._put(weights)

    def keep(self) -> None:
        """Put the average into the model for good."""
        self._put(self._average)

    @torch.no_grad()
    def _put(self, values: list[Tensor]) -> None:
        torch._foreach_copy_(self._parameters, values)

    def tensors(self) -> Tensors:
        """Return what a resumed run needs to go on bit by bit."""
        found = {str(index): value for index, value in enumerate(self._average)}
        return {**found, _STEPS: torch.tensor(self._steps)}

    def restore(self, tensors: Tensors) -> None:
        """Take back what `tensors` gave."""
        self._steps = int(tensors[_STEPS])
        kept = [tensors[str(index)].to(each.device) for index, each in enumerate(self._average)]
        torch._foreach_copy_(self._average, kept)
