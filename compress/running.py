"""What the losses were since one last looked: added up on the device, so that no step waits."""

import torch
from torch import Tensor

from kdc.compress.errors import KdcError
from kdc.compress.learner import Objectives

_NEVER = 2**62  # a step that no run reaches


class Losses:
    """The sum of each loss since the last evaluation, and the step at which one broke."""

    def __init__(self, objectives: Objectives, device: torch.device) -> None:
        self.running = torch.zeros(len(objectives), device=device)
        """(K,) sums; all of this stays on the device, so that no step waits for it."""
        self._names = list(objectives)
        self._broken = torch.full((len(objectives) + 1,), _NEVER, device=device)

    def add(self, losses: Tensor, norm: Tensor, step: int) -> None:
        """Count the (K,) losses of a step; with its gradient's norm the weights break too."""
        self.running += losses
        fine = torch.cat([losses, norm[None]]).isfinite()
        self._broken = torch.where(fine, self._broken, self._broken.clamp(max=step))

    def refuse_broken(self, title: str, *, kept: bool) -> None:
        """Refuse losses that are not finite: name the first and its step, counted from 1.

        At the step after it every loss is broken, since the weights are. A gradient may be the
        first: 0 is a loss whose square root has none.

        Args:
            title: what is trained.
            kept: whether a state from before is kept.

        Raises:
            KdcError: a loss or a gradient was not finite.
        """
        steps = self._broken.tolist()
        first = min(steps)
        if first < _NEVER:
            which = steps.index(first)  # of a loss, where its gradient broke with it
            last = "; the last good state is kept, for --resume with these options" if kept else ""
            what, weight = "the losses' gradient was not finite", "a loss's weight"
            if which < len(self._names):
                what = f"the loss {self._names[which]} became {self.running[which].item()}"
                weight = "the loss's weight"
            raise KdcError(
                f"{title}: {what} at step {first + 1:,}: lower the learning rate or {weight} and "
                f"start over{last}"
            )

    def take(self, steps: int) -> dict[str, float]:
        """Return each loss's mean over the last `steps` steps, and start from 0."""
        means = (self.running / max(1, steps)).tolist()
        self.running = torch.zeros_like(self.running)
        return dict(zip(self._names, means, strict=True))
