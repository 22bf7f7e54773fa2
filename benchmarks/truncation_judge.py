"""How good a student of masked words is on documents that nothing was trained on."""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from kdc.compress.corpus.folder import Corpus
from kdc.compress.general.load import load_masked_lm
from kdc.compress.general.sequences import sequences
from kdc.compress.models import find_model
from kdc.compress.parallel import ALONE
from kdc.compress.progress import Silent
from kdc.compress.runtime import autocast, choose_device
from kdc.compress.signals import MASKED, observe

_BINS = 15  # of confidence, as in Guo et al. 2017 (arXiv 1706.04599)
_PLACES = 256  # held in fp32 at a time


@torch.no_grad()
def judge(
    student: Path, teacher: Path, corpus: Corpus, batch_tokens: int, device_name: str
) -> dict[str, float]:
    """Return what a student says of the documents held out, beside the text and the teacher.

    Returns:
        `loss` (cross-entropy, nats), `accuracy`, `ece` (expected calibration error),
        `divergence` (KL(teacher || student), nats), each a mean over the masked places; `places`,
        and the teacher's own `teacher_loss`, `teacher_accuracy` and `teacher_ece`.
    """
    device = choose_device(device_name)
    found = [find_model(str(path), Silent()) for path in (student, teacher)]
    models = [load_masked_lm(source).to(device) for source in found]
    feed_of = sequences(corpus, corpus.held, batch_tokens)
    feed = feed_of.open(0, 0, 1, device)
    ours, theirs, gap = _Calibrated(), _Calibrated(), 0.0
    for step in range(feed_of.steps):
        (batch,) = feed.take(step, ALONE)
        assert batch.masked is not None
        with autocast(device):
            logits = [observe(m, batch, wants=frozenset({MASKED})).masked for m in models]
        for q, p, targets in _chunks(logits[0], logits[1], batch.masked.targets):
            ours.add(q, targets)
            theirs.add(p, targets)
            gap += float(F.kl_div(q, p, log_target=True, reduction="sum"))
    known = {f"teacher_{name}": value for name, value in theirs.as_dict().items()}
    return {**ours.as_dict(), "divergence": gap / ours.places, "places": ours.places, **known}


def _chunks(
    one: Tensor | None, other: Tensor | None, targets: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    assert one is not None and other is not None
    for start in range(0, len(one), _PLACES):
        some = slice(start, start + _PLACES)
        yield one[some].float().log_softmax(-1), other[some].float().log_softmax(-1), targets[some]


class _Calibrated:
    """Adds up how right and how sure a model is."""

    def __init__(self) -> None:
        self.places, self._loss = 0, 0.0
        self._bins = torch.zeros(3, _BINS, dtype=torch.float64)

    def add(self, q: Tensor, targets: Tensor) -> None:
        """Count (m, V) log probabilities of the likeliest token in bins of their own."""
        sure, said = q.exp().max(-1)
        right = (said == targets).double().cpu()
        place = (sure.cpu() * _BINS).long().clamp(max=_BINS - 1)
        for row, values in enumerate((torch.ones_like(right), sure.double().cpu(), right)):
            self._bins[row].index_add_(0, place, values)
        self._loss += float(F.nll_loss(q, targets, reduction="sum"))
        self.places += len(q)

    def as_dict(self) -> dict[str, float]:
        """Return the means."""
        return {
            "loss": self._loss / self.places,
            "accuracy": float(self._bins[2].sum() / self.places),
            "ece": float((self._bins[1] - self._bins[2]).abs().sum() / self.places),
        }
