"""`kdc label --verify`: a sample of the labels beside the teacher's softmax of this moment."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdc.compress.errors import KdcError
from kdc.compress.labelling.examples import batches
from kdc.compress.labelling.label import Labelling
from kdc.compress.labels.shard import ShardLabels, read_shard_labels
from kdc.compress.losses.masked_lm import MaskedLm
from kdc.compress.progress import Progress, plural
from kdc.compress.runtime import autocast
from kdc.compress.signals import MASKED, Signals, Sparse, observe

_SHARDS = 8  # that a sample comes from at the most
_NOISE = 1.0  # standard deviation of the logits of both students


@dataclass(frozen=True)
class Verified:
    """What a sample of labels says beside the full softmax."""

    places: int
    divergence: float
    """Mean over the places of KL(labels || teacher), in nats, all unlisted tokens being one."""
    outside: float
    """Mean of the teacher's mass on tokens that the labels do not list."""
    gradient_error: dict[str, float]
    """student -> norm of the difference of the two gradients over that of the full softmax's, over
    the logits of all places: `random`, whose logits are noise, and `trained`, the teacher's logits
    and noise."""
    bias: dict[str, float]
    """student -> the same of the gradients' means over the places: what a bias of the output layer
    gets. What is drawn without bias cancels here, what is cut off does not."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "places": self.places,
            "divergence": self.divergence,
            "outside": self.outside,
            "gradient_error": self.gradient_error,
            "bias": self.bias,
        }


def verify(ready: Labelling, sample: int, progress: Progress) -> Verified:
    """Compare labels with the full softmax at a sample of masked places.

    Args:
        ready: the teacher, the corpus and the folder of labels.
        sample: how many places at least, where there are as many.
        progress: shows how far it is.

    Raises:
        KdcError: labels are missing, damaged or of states alone, or the sample is empty.
    """
    if ready.job.method.kind == "none":
        raise KdcError("--verify compares masked words, and these labels hold states alone")
    if sample < 1:
        raise KdcError(f"--sample must be 1 or more, not {sample}")
    if not ready.names:
        raise KdcError("no shard falls to this part: there is nothing to verify")
    shares, sums = _shares(ready, sample), _Sums()
    if (most := sum(shares.values())) < sample:
        progress.say(f"there are only {plural(most, 'masked place')}: all are compared")
    with progress.bar("comparing with the full softmax", min(most, sample)) as advance:
        for number, (name, wanted) in enumerate(shares.items()):
            for logits, said in _answers(ready, name, wanted, number):
                sums.add(logits, said)
                advance(min(len(logits), sample))
    return sums.verified()


def _shares(ready: Labelling, sample: int) -> dict[str, int]:
    """Return how many places of which shards make a sample, or all there are of all shards.

    They come from a few shards, unless these have too few.
    """
    every = ready.names[:: -(-len(ready.names) // _SHARDS)]
    places = {name: len(ready.corpus.open(name).mask_places) for name in every}
    for name in ready.names:
        if sum(places.values()) >= sample:
            break
        if name not in places:
            places[name] = len(ready.corpus.open(name).mask_places)
    shares, left = dict.fromkeys(places, 0), sample
    for asked, name in enumerate(sorted(places, key=lambda name: places[name])):
        shares[name] = min(places[name], -(-left // (len(places) - asked)))
        left -= shares[name]  # what a small shard lacks, the larger ones give
    return {name: count for name, count in shares.items() if count > 0}


def _answers(
    ready: Labelling, name: str, wanted: int, number: int
) -> Iterator[tuple[Tensor, Sparse]]:
    """Yield (m, V) fresh logits and what was written down of random examples of a shard."""
    if not ready.finished(name):
        raise KdcError(f"{ready.job.out / name} is not labelled, or damaged: run kdc label again")
    shard, labels = ready.corpus.open(name), _open(ready, name)
    rng = np.random.default_rng([ready.job.seed, number])
    order = rng.permutation(shard.examples)
    counts = np.diff(shard.mask_starts)[order].cumsum()
    some = np.sort(order[: int(np.searchsorted(counts, wanted)) + 1])
    device = ready.model.device
    for asked in batches(shard, some, ready.batch_tokens, ready.padding, device):
        with torch.no_grad(), autocast(device):
            said = observe(ready.model, asked.batch, wants=frozenset({MASKED}))
        assert said.masked is not None
        for start in range(0, len(said.masked), 64):
            part = slice(start, start + 64)
            yield said.masked[part].float().cpu(), labels.targets(asked.places[part])


def _open(ready: Labelling, name: str) -> ShardLabels:
    places = len(ready.corpus.open(name).mask_places)
    return read_shard_labels(ready.job.out / name, ready.job.method, ready.vocab_size, places)


class _Sums:
    """Adds up what places say."""

    def __init__(self) -> None:
        self._places, self._divergence, self._outside = 0, 0.0, 0.0
        self._squares: dict[str, list[float]] = {}
        self._means: dict[str, tuple[Tensor, Tensor]] = {}
        self._rng = torch.Generator().manual_seed(0)

    def add(self, logits: Tensor, said: Sparse) -> None:
        """Compare (m, V) logits with what was written down of them."""
        p = (logits.double() / said.temperature).softmax(-1)
        listed = p.gather(-1, said.ids) * (said.shares > 0)
        outside = (1 - listed.sum(-1)).clamp(min=0)
        self._places += len(p)
        self._outside += float(outside.sum())
        self._divergence += float((_log_ratio(said.shares, listed)).sum())
        self._divergence += float(_log_ratio(said.tail, outside).sum())
        noise = _NOISE * torch.randn(logits.shape, generator=self._rng)
        for student, theirs in (("random", noise), ("trained", logits + noise)):
            full = _gradient(theirs, said.temperature, masked=logits)
            ours = _gradient(theirs, said.temperature, sparse=said)
            had = self._squares.setdefault(student, [0.0, 0.0])
            had[0] += float((ours - full).square().sum())
            had[1] += float(full.square().sum())
            a, b = self._means.get(student, (torch.zeros(()), torch.zeros(())))
            self._means[student] = (a + (ours - full).sum(0), b + full.sum(0))

    def verified(self) -> Verified:
        """Return the means."""
        if not self._places:
            raise KdcError("no place of these shards is masked: there is nothing to verify")
        errors = {who: (a / b) ** 0.5 for who, (a, b) in self._squares.items()}
        bias = {who: float(a.norm() / b.norm()) for who, (a, b) in self._means.items()}
        divergence = self._divergence / self._places
        return Verified(
            self._places, max(divergence, 0.0), self._outside / self._places, errors, bias
        )


def _log_ratio(share: Tensor, p: Tensor) -> Tensor:
    """Return share * log(share / p), 0 where share is 0."""
    return torch.xlogy(share.double(), share.double() / p.clamp(min=1e-12)).nan_to_num()


def _gradient(student: Tensor, temperature: float, **said: Any) -> Tensor:  # noqa: ANN401
    """Return (m, V): of the objective itself, with respect to a student's logits."""
    logits = student.clone().requires_grad_()
    targets = torch.zeros(len(logits), dtype=torch.int64)
    none = Signals(logits[:0], (), targets)
    loss = MaskedLm(temperature, 1.0, 0.0)
    loss(replace(none, masked=logits, targets=targets), replace(none, **said), targets).backward()
    assert logits.grad is not None
    return logits.grad.double() * len(logits)
