"""What --verify prints, beside numpy on the same labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.labelling.label import LabelJob, label
from kdc.compress.labelling.verify import _Sums, verify
from kdc.compress.labels.method import Method
from kdc.compress.progress import Silent
from kdc.compress.signals import Sparse
from tests.tiny import Recorder


def job(places: Path, out: Path, method: Method) -> LabelJob:
    return LabelJob(places / "shards", str(places / "teacher"), method, out, device="cpu")


def test_a_divergence_and_gradients_by_hand() -> None:
    """Bug: KL of the wrong side, or an error that shrinks with the number of places."""
    z = torch.randn(40, 9, generator=torch.Generator().manual_seed(3)) * 2
    p = z.double().softmax(-1)
    shares, ids = p.topk(3)
    tail = 1 - shares.sum(-1)
    wrong = shares.float() * 0.8  # and the rest of it to the tail
    said = Sparse(ids, wrong, (1 - wrong.sum(-1)).float())
    sums = _Sums()
    for some in (slice(0, 15), slice(15, 40)):
        sums.add(z[some], Sparse(ids[some], said.shares[some], said.tail[some]))
    found = sums.verified()
    a, b = wrong.double().numpy(), shares.numpy()
    rest, own = 1 - a.sum(1), tail.numpy()
    expected = ((a * np.log(a / b)).sum(1) + rest * np.log(rest / own)).mean()
    assert found.places == 40
    assert found.divergence == pytest.approx(expected, rel=1e-4)
    assert found.outside == pytest.approx(float(tail.mean()), rel=1e-4)
    noise = torch.Generator().manual_seed(0)
    student = torch.cat([torch.randn(15, 9, generator=noise), torch.randn(25, 9, generator=noise)])
    random = student.clone().double()  # noise is drawn once a call, for both students
    q = random.softmax(-1)
    taught = torch.zeros_like(q).scatter(1, ids, said.shares.double())
    unlisted = torch.ones_like(q).scatter(1, ids, 0.0) * q
    taught += said.tail.double()[:, None] * unlisted / unlisted.sum(-1, keepdim=True)
    error = (taught - p).norm() / (q - p).norm()
    assert found.gradient_error["random"] == pytest.approx(float(error), rel=1e-3)


def test_more_kept_is_nearer_and_draws_have_no_bias(places: Path, tmp_path: Path) -> None:
    """Bug: numbers that do not tell good labels from bad ones."""
    found = {}
    for name, method in (
        ("1", Method("topk", 1)),
        ("40", Method("topk", 40)),
        ("draws", Method("draws", 40)),
        ("full", Method("full", bits=16)),
    ):
        ready = label(job(places, tmp_path / name, method), Silent())
        found[name] = verify(ready, 200, Silent())
        assert found[name].places >= 200
    errors = [found[name].gradient_error["random"] for name in ("1", "40", "full")]
    assert errors[0] > 1.5 * errors[1] > 15 * errors[2]
    assert found["draws"].bias["random"] < 0.3 * found["draws"].gradient_error["random"]
    assert found["full"].divergence < 1e-3


def test_as_many_places_are_compared_as_asked_for_or_all(places: Path, tmp_path: Path) -> None:
    """Bug: a small shard gives fewer places than its share, and nobody makes up for it."""
    ready = label(job(places, tmp_path / "out", Method("topk", 4)), Silent())
    every = [len(ready.corpus.open(name).mask_places) for name in ready.names]
    assert min(every) < max(every) - 20
    for sample in (sum(every) - 20, sum(every)):
        heard = Recorder()
        assert sum(every) >= verify(ready, sample, heard).places >= sample and not heard.said
    heard = Recorder()
    assert verify(ready, sum(every) + 1, heard).places == sum(every)
    assert heard.said == [f"there are only {sum(every)} masked places: all are compared"]


def test_a_sample_from_many_small_shards_is_as_large(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: no more than eight shards are looked at, however small they are."""
    ready = label(job(places, tmp_path / "out", Method("topk", 4)), Silent())
    most = max(len(ready.corpus.open(name).mask_places) for name in ready.names)
    monkeypatch.setattr("kdc.compress.labelling.verify._SHARDS", 1)
    assert verify(ready, most + 1, Silent()).places > most


def test_what_cannot_be_compared_is_refused(places: Path, tmp_path: Path) -> None:
    """Bug: a division by no places."""
    ready = label(job(places, tmp_path / "a", Method("none", pooled=True)), Silent())
    with pytest.raises(KdcError, match="hold states alone"):
        verify(ready, 10, Silent())
    ready = label(job(places, tmp_path / "b", Method("topk", 2)), Silent())
    with pytest.raises(KdcError, match="--sample must be 1 or more"):
        verify(ready, 0, Silent())
