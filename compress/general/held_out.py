"""How good a general model is: what it says about sequences that it was not trained on."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel as Model

from kdc.compress.errors import KdcError
from kdc.compress.general.sequences import Sequences
from kdc.compress.parallel import ALONE, Crew
from kdc.compress.run import Leg
from kdc.compress.runtime import autocast, places_at_once
from kdc.compress.signals import MASKED, Signals, observe

LOSS, ACCURACY, DIVERGENCE = "held_out_loss", "held_out_accuracy", "held_out_divergence"
"""Cross-entropy with the text, share of words filled in right, KL(teacher || student), a place."""
PLACES = "held_out_places"


@dataclass(frozen=True)
class HeldOutWords:
    """Sequences that judge a model: by its stage's losses, and by the words it fills in."""

    rows: Sequences

    @torch.no_grad()
    def judge(self, model: Model, leg: Leg, padding: int, team: Crew) -> dict[str, float]:
        """Return `held_out_...` of every loss, and of words where the model has a head for them.

        The batches are always the same ones. Several processes take turns at them.
        """
        was_training, device = model.training, model.device
        model.eval()
        wants = frozenset[str]().union(*(loss.needs for _, loss in leg.objectives.values()))
        feed = self.rows.open(0, padding, 1, device)
        losses = torch.zeros(len(leg.objectives), 2, dtype=torch.float64)
        words = torch.zeros(5, dtype=torch.float64)
        for step in range(team.rank, self.rows.steps, team.size):
            (batch,) = feed.take(step, ALONE)
            with autocast(device):
                theirs, ours = leg.teacher(batch), observe(model, batch, wants=wants)
            places = len(batch.masked.places) if batch.masked else 0
            counts = {"tokens": int(batch.mask.sum()), "masked": places}
            for index, (_, loss) in enumerate(leg.objectives.values()):
                count = counts.get(loss.unit, len(batch.mask))
                value = loss(ours, theirs, batch.labels).cpu().double()
                losses[index] += torch.stack([value * count, value.new_tensor(count)])
            if MASKED in wants:
                words += _words(ours, theirs)
        model.train(was_training)
        sums = [losses, words]
        team.all_reduce(sums)
        means = (sums[0][:, 0] / sums[0][:, 1].clamp(min=1)).tolist()
        row = {f"held_out_{name}": value for name, value in zip(leg.objectives, means, strict=True)}
        return row | _row(sums[1].tolist())


def _words(ours: Signals, theirs: Signals) -> Tensor:
    """Return (5,) sums: places, cross-entropy, right words; places and KL beside the teacher."""
    assert ours.masked is not None and ours.targets is not None
    found = torch.zeros(5, dtype=torch.float64)  # on the CPU: not every device has float64
    count = places_at_once(ours.masked.device)
    for start in range(0, len(ours.masked), count):
        some = slice(start, start + count)
        said, targets = ours.masked[some].float().log_softmax(-1), ours.targets[some]
        right = (said.argmax(-1) == targets).sum().cpu().double()
        lost = F.nll_loss(said, targets, reduction="sum").cpu().double()
        found[:3] += torch.stack([lost.new_tensor(len(said)), lost, right])
        if theirs.masked is not None:
            taught = theirs.masked[some].float().log_softmax(-1)
            gap = F.kl_div(said, taught, log_target=True, reduction="sum")
            found[3:] += torch.stack([lost.new_tensor(len(said)), gap.cpu().double()])
    return found


def _row(sums: list[float]) -> dict[str, float]:
    places, lost, right, compared, gap = sums
    if not places:
        return {}
    row = {PLACES: places, LOSS: lost / places, ACCURACY: right / places}
    if compared:
        row[DIVERGENCE] = gap / compared
    if not all(map(math.isfinite, row.values())):
        raise KdcError("the loss on held-out words is not a number: lower the learning rate")
    return row
