from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM

from kdc.compress.encode import Batch, Masked
from kdc.compress.errors import KdcError
from kdc.compress.losses import masked_lm
from kdc.compress.losses.masked_lm import MaskedLm
from kdc.compress.losses.objective import Widths
from kdc.compress.objectives import widths_between
from kdc.compress.signals import MASKED, OnlineTeacher, Signals, Sparse, observe
from tests.said import CLASSES, said
from tests.tiny import VOCABULARY, own_rng, tiny_config


def filled(seed: int, places: int = 5, words: int = 11) -> Signals:
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(places, words, generator=rng).requires_grad_()
    targets = torch.randint(words, (places,), generator=rng)
    return replace(said(seed), masked=logits, targets=targets)


def log_softmax(z: Any) -> Any:  # noqa: ANN401
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def by_hand(student: Signals, teacher: Signals, t: float) -> tuple[float, float]:
    assert student.masked is not None and teacher.masked is not None
    assert student.targets is not None
    z, y = student.masked.detach().double().numpy(), teacher.masked.detach().double().numpy()
    gold = student.targets.numpy()
    q, p = log_softmax(z / t), log_softmax(y / t)
    soft = t * t * (np.exp(p) * (p - q)).sum(axis=1).mean()
    return float(soft), float(-log_softmax(z)[np.arange(len(z)), gold].mean())


@pytest.mark.parametrize(("t", "soft", "hard"), [(2.0, 5.0, 2.0), (1.0, 1.0, 0.0), (2.0, 0.0, 1.0)])
@pytest.mark.parametrize("at_once", [2, 5, 256])
def test_the_value_is_distilberts(
    t: float, soft: float, hard: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: a mean per slice in place of a mean over all masked places, or T squared lost."""
    monkeypatch.setattr(masked_lm, "places_at_once", lambda _, n=at_once: n)
    student, teacher = filled(0), filled(1)
    by_teacher, by_text = by_hand(student, teacher, t)
    value = MaskedLm(t, soft, hard)(student, teacher, None)
    assert value.item() == pytest.approx(soft * by_teacher + hard * by_text, rel=1e-5)


def test_the_gradient_does_not_depend_on_how_much_is_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bug: what is computed anew for the gradient is not what was computed before."""
    student, teacher = filled(0), filled(1)
    found: list[Tensor] = []
    assert student.masked is not None
    for at_once in (2, 256):
        monkeypatch.setattr(masked_lm, "places_at_once", lambda _, n=at_once: n)
        student.masked.grad = None
        MaskedLm()(student, teacher, None).backward()
        assert student.masked.grad is not None
        found.append(student.masked.grad.clone())
    torch.testing.assert_close(found[0], found[1])
    assert found[0].abs().sum() > 0


def test_a_batch_without_a_masked_place_teaches_nothing() -> None:
    """Bug: 0 / 0 on a batch of very short texts."""
    student, teacher = filled(0, places=0), filled(1, places=0)
    value = MaskedLm()(student, teacher, None)
    assert value.item() == 0.0
    value.backward()


def test_real_models_with_masked_lm_heads_learn_from_each_other() -> None:
    """Bug: what `observe` gives is not what the loss takes, which no formula would show."""
    with own_rng():
        teacher = AutoModelForMaskedLM.from_config(tiny_config(layers=3, hidden=48))
        student = AutoModelForMaskedLM.from_config(tiny_config())
    loss = MaskedLm()
    loss.fit(widths_between(CLASSES, student.config, teacher.config, masked_lm=True))
    batch = a_masked_batch()
    source = OnlineTeacher(teacher, wants=loss.needs)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-2)
    values = []
    for _ in range(12):
        ours = observe(student, batch, wants=loss.needs)
        value = loss(ours, source(batch), batch.labels)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(value.item())
    assert ours.masked is not None
    assert ours.masked.shape == (6, VOCABULARY)
    assert values[-1] < 0.7 * values[0]
    assert all(parameter.grad is None for parameter in teacher.parameters())


def a_masked_batch() -> Batch:
    """Texts of 9 and 5 tokens with six masked places; token 4 is [MASK]."""
    mask = (torch.arange(9) < torch.tensor([9, 9, 5])[:, None]).long()
    ids = torch.randint(5, VOCABULARY, (3, 9), generator=torch.Generator().manual_seed(0))
    places = torch.tensor([1, 4, 10, 15, 20, 21])
    masked = Masked(places, ids.flatten()[places].clone())
    ids = ids.flatten().index_fill(0, places, 4).reshape(3, 9) * mask
    return Batch(ids, mask, torch.zeros_like(ids), torch.zeros(3), torch.arange(3), masked)


def test_vocabularies_that_differ_are_refused_for_the_kl_only() -> None:
    """Bug: a shape error in the first step, or word 17 taught as another word 17."""
    gives = frozenset({MASKED})
    widths = Widths(CLASSES, 2, 8, 2, 8, student_tokens=100, teacher_tokens=30522, gives=gives)
    with pytest.raises(KdcError, match=r"has 100 tokens and the teacher 30,522.*soft = 0"):
        MaskedLm().fit(widths)
    MaskedLm(soft=0.0).fit(widths)


def test_what_was_not_said_is_named() -> None:
    """Bug: an AttributeError on None in the first step."""
    with pytest.raises(KdcError, match="the batch has no masked places"):
        MaskedLm()(said(0), filled(1), None)
    with pytest.raises(KdcError, match="the teacher gave no masked words"):
        MaskedLm()(filled(0), said(1), None)
    MaskedLm(soft=0.0)(filled(0), said(1), None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.0}, "masked_lm: temperature must be from 0.001"),
        ({"hard": -2.0}, "masked_lm: hard must be from 0 to"),
        ({"soft": 0.0, "hard": 0.0}, "soft and hard are 0: nothing would be trained"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    """Bug: a term that rewards wrong words."""
    with pytest.raises(KdcError, match=words):
        MaskedLm(**options)


def labels_of(teacher: Signals, k: int, t: float = 1.0) -> tuple[Signals, Any, Any]:
    """Return the k likeliest tokens of each place as labels, with one filler; ids; p."""
    assert teacher.masked is not None
    p = np.exp(log_softmax(teacher.masked.detach().double().numpy() / t))
    ids = np.argsort(-p, axis=1)[:, :k]
    top = np.take_along_axis(p, ids, axis=1)
    filled_ids = torch.from_numpy(np.concatenate([ids, ids[:, :1]], axis=1))
    shares = torch.from_numpy(np.concatenate([top, np.zeros((len(p), 1))], axis=1)).float()
    tail = torch.from_numpy(1 - top.sum(axis=1)).float()
    sparse = Sparse(filled_ids, shares, tail, t)
    return replace(teacher, masked=None, sparse=sparse), ids, p


@pytest.mark.parametrize("t", [1.0, 2.0])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_labels_with_a_tail_are_a_kl_with_one_more_token(t: float, k: int) -> None:
    """Bug: filler counted among the student's tokens, or the tail of the wrong side."""
    student, (teacher, ids, p) = filled(0), labels_of(filled(1), k, t)
    assert student.masked is not None
    q = np.exp(log_softmax(student.masked.detach().double().numpy() / t))
    expected = 0.0
    for place in range(len(p)):
        a = [*p[place, ids[place]], 1 - p[place, ids[place]].sum()]
        b = [*q[place, ids[place]], 1 - q[place, ids[place]].sum()]
        expected += sum(x * np.log(x / y) for x, y in zip(a, b, strict=True)) / len(p)
    value = MaskedLm(t, 1.0, 0.0)(student, teacher, None)
    assert value.item() == pytest.approx(t * t * expected, rel=1e-4)


def test_labels_of_every_token_are_the_full_softmax() -> None:
    """Bug: a gradient of the labels' loss that is not that of the KL they stand for."""
    student, teacher = filled(0), filled(1)
    every, _, _ = labels_of(teacher, 11)
    assert student.masked is not None
    gradients: list[Tensor] = []
    for source in (teacher, every):
        student.masked.grad = None
        MaskedLm(1.0, 1.0, 0.0)(student, source, None).backward()
        assert student.masked.grad is not None
        gradients.append(student.masked.grad)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def test_a_tail_that_is_ignored_is_the_loss_of_the_first_pipeline() -> None:
    """Bug: renormalised, or with a tail, and no longer what its results were had with."""
    student, (teacher, ids, p) = filled(0), labels_of(filled(1), 4)
    assert student.masked is not None
    q = log_softmax(student.masked.detach().double().numpy())
    expected = -(np.take_along_axis(p, ids, 1) * np.take_along_axis(q, ids, 1)).sum(1).mean()
    value = MaskedLm(1.0, 1.0, 0.0, tail="ignore")(student, teacher, None)
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_a_student_sure_of_the_listed_tokens_gets_finite_gradients() -> None:
    """Bug: 1 - sum of its probabilities rounds to 0 or below, and the loss is NaN from there on."""
    student, (teacher, ids, _) = filled(0), labels_of(filled(1), 3)
    assert student.masked is not None
    sure = torch.full_like(student.masked, -200.0)
    sure = sure.scatter(1, torch.from_numpy(ids), 0.0).requires_grad_()
    value = MaskedLm(1.0, 1.0, 0.0)(replace(student, masked=sure), teacher, None)
    value.backward()
    assert value.isfinite() and sure.grad is not None and sure.grad.isfinite().all()


def test_a_place_of_tail_alone_teaches_nothing() -> None:
    """Bug: a logarithm of no tokens at all, whose gradient is NaN."""
    student = filled(0)
    none = Sparse(torch.zeros(5, 2, dtype=torch.int64), torch.zeros(5, 2), torch.ones(5))
    value = MaskedLm(1.0, 1.0, 0.0)(student, replace(filled(1), masked=None, sparse=none), None)
    value.backward()
    assert value.item() == pytest.approx(0.0, abs=1e-5)
    assert student.masked is not None and student.masked.grad is not None
    assert student.masked.grad.abs().max() == 0


def test_labels_of_another_temperature_are_refused() -> None:
    """Bug: probabilities at one temperature taken for those at another."""
    labels, _, _ = labels_of(filled(1), 3, t=2.0)
    with pytest.raises(KdcError, match=r"taken at temperature 2 .* at 1: set temperature = 2"):
        MaskedLm(1.0, 1.0, 0.0)(filled(0), labels, None)


def test_only_the_text_asks_no_teacher() -> None:
    """Bug: a teacher runs through pre-training and nobody listens."""
    assert MaskedLm(soft=0.0).asks == frozenset()
    assert MaskedLm().asks == {MASKED}


def test_an_unknown_tail_is_refused() -> None:
    """Bug: a misspelt word is taken for the other of two."""
    with pytest.raises(KdcError, match="unknown tail 'buckets': did you mean bucket"):
        MaskedLm(tail="buckets")
