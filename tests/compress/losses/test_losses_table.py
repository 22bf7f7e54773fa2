from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from kdc.compress.errors import KdcError
from kdc.compress.losses import LOSSES, describe_losses
from kdc.compress.losses.objective import Widths
from kdc.compress.signals import MASKED, Signals
from tests.said import CLASSES, GOLD, MASK, ONE_CLASS, SCORED, changed, fitted, longer, said, spoilt

EVERY = pytest.mark.parametrize("name", LOSSES)
TASKWISE = pytest.mark.parametrize("name", [name for name in LOSSES if name != "masked_lm"])
INNER = ("embeddings", "hidden_states", "attention", "relations", "cosine", "patient", "pooled")
CLASSES_ONLY = ("decoupled", "dist")
_WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")


def asked(name: str, seed: int, **sizes: int) -> Signals:
    """Say no more than the objective asks for."""
    signals = said(seed, wants=LOSSES[name].needs, **sizes)
    return changed(replace(signals, logits=signals.logits.detach()), lambda x: x.detach())


def pair(name: str) -> tuple[Any, Signals, Signals]:
    """A fitted objective, a student, and a wider, deeper teacher that says what is asked."""
    heads = 2 if name == "attention" else 4
    student, teacher = said(0), said(1, layers=4, heads=heads, width=16)
    return (
        fitted(LOSSES[name](), student, teacher),
        student,
        asked(name, 1, layers=4, heads=heads, width=16),
    )


@EVERY
def test_a_loss_lives_in_the_file_of_its_name(name: str) -> None:
    """Bug: the table points at a class that nobody finds."""
    wanted = "".join(part.title() for part in name.split("_"))
    assert LOSSES[name].__name__ == wanted
    assert getattr(import_module(f"kdc.compress.losses.{name}"), wanted) is LOSSES[name]


def test_the_table_tells_of_every_loss_what_it_asks_for() -> None:
    """Bug: a row without a source, or of a loss that is gone."""
    columns, rows = describe_losses()
    assert [row[0] for row in rows] == list(LOSSES)
    assert all(len(row) == len(columns) and all(row) for row in rows)
    assert dict((row[0], row[1]) for row in rows)["hard_labels"] == "nothing"


@TASKWISE
def test_every_loss_trains_the_student_and_asks_for_no_more_than_it_says(name: str) -> None:
    """Bug: a loss that reads what was never computed, or gives the student no gradient."""
    loss, student, teacher = pair(name)
    value = loss(student, teacher, GOLD)
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value > 0
    value.backward()
    every = [student.logits, *student.hidden, *student.queries, *student.keys, *student.values]
    moved = [tensor.grad for tensor in every if tensor.grad is not None]
    assert moved
    assert all(grad.isfinite().all() for grad in moved)
    assert sum(float(grad.abs().sum()) for grad in moved) > 0
    assert all(parameter.grad is not None for parameter in loss.parameters())


@pytest.mark.parametrize("name", ["soft_labels", "mse_logits", "hard_labels", *INNER])
def test_every_loss_that_can_serve_scores_does(name: str) -> None:
    """Bug: `kdc distill` on a table of scores ends in a shape error in the first step."""
    student, teacher = said(0, classes=1), said(1, classes=1)
    loss = fitted(LOSSES[name](), student, teacher, SCORED)
    value = loss(student, teacher, torch.tensor([0.5, 2.0, 3.0]))
    assert value.isfinite()
    assert value > 0


@pytest.mark.parametrize("name", CLASSES_ONLY)
def test_a_loss_of_classes_refuses_scores_before_training(name: str) -> None:
    """Bug: a softmax over one column is always 1: a perfect loss while nothing is trained."""
    with pytest.raises(KdcError, match=f"{name}: a task of scores has no classes.*mse_logits"):
        LOSSES[name]().fit(Widths(SCORED, 2, 8, 2, 8))


@pytest.mark.parametrize("name", CLASSES_ONLY)
def test_a_loss_of_classes_refuses_several_labels_before_training(name: str) -> None:
    """Bug: labels of one text are compared as if they took each other's probability."""
    task = replace(CLASSES, kind="multi-label", metric="micro_f1")
    with pytest.raises(KdcError, match=f"{name}: it compares classes of which.*use soft_labels"):
        LOSSES[name]().fit(Widths(task, 2, 8, 2, 8))


@pytest.mark.parametrize("name", ["soft_labels", "mse_logits", "hard_labels", *CLASSES_ONLY])
def test_a_single_class_is_refused_before_training(name: str) -> None:
    """Bug: a perfect loss of 0 while nothing is trained."""
    with pytest.raises(KdcError, match=f"{name}: a task with one class has nothing to learn"):
        LOSSES[name]().fit(Widths(ONE_CLASS, 2, 8, 2, 8))


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].needs - {MASKED}])
def test_who_says_what_the_teacher_says_has_nothing_to_learn(name: str) -> None:
    """Bug: an entropy in place of a divergence, or a layer compared with another."""
    teacher = said(1)
    loss = fitted(LOSSES[name](), teacher, teacher)
    assert loss(teacher, teacher, GOLD).item() == pytest.approx(0.0, abs=2e-6)
    assert loss(said(0), teacher, GOLD).item() > 0.01


@pytest.mark.parametrize("name", INNER)
def test_padding_never_counts(name: str) -> None:
    """Bug: a text's loss or gradient depends on the longest text that it shares a batch with."""
    loss, student, teacher = pair(name)
    value = loss(student, teacher, GOLD)
    for other in (spoilt, longer):
        again = loss(other(student), other(teacher), GOLD)
        assert again.item() == pytest.approx(value.item(), rel=1e-6)
    value.backward()
    for tensor in (*student.hidden, *student.queries, *student.keys, *student.values):
        if tensor.grad is not None:
            assert tensor.grad[MASK == 0].abs().sum() == 0


@pytest.mark.parametrize("name", [name for name in INNER if LOSSES[name].unit == "rows"])
def test_the_mean_over_texts_is_that_of_the_texts_alone(name: str) -> None:
    """Bug: slices of a batch on several devices do not add up to the batch."""
    loss, student, teacher = pair(name)
    whole = loss(student, teacher, GOLD).item()
    alone = [loss(row_of(student, i), row_of(teacher, i), GOLD[i : i + 1]).item() for i in range(3)]
    assert whole == pytest.approx(sum(alone) / 3, rel=1e-5)


@pytest.mark.parametrize("name", [name for name in INNER if LOSSES[name].unit == "tokens"])
def test_the_mean_over_tokens_is_that_of_the_texts_weighted_by_their_tokens(name: str) -> None:
    """Bug: slices of a batch on several devices do not add up to the batch."""
    loss, student, teacher = pair(name)
    whole = loss(student, teacher, GOLD).item()
    alone = [loss(row_of(student, i), row_of(teacher, i), GOLD[i : i + 1]).item() for i in range(3)]
    counts = MASK.sum(1).tolist()
    expected = sum(n * value for n, value in zip(counts, alone, strict=True)) / sum(counts)
    assert whole == pytest.approx(expected, rel=1e-5)


def row_of(signals: Signals, index: int) -> Signals:
    """One text of the batch, alone."""
    one = slice(index, index + 1)
    alone = changed(signals, lambda tensor: tensor[one], signals.mask[one])
    return replace(alone, logits=signals.logits[one])


@pytest.mark.parametrize("name", INNER)
def test_bf16_signals_meet_fp32_weights(name: str) -> None:
    """Bug: 'mat1 and mat2 must have the same dtype' under autocast, or a loss rounded to bf16."""
    loss, student, teacher = pair(name)
    half = [changed(x, lambda tensor: tensor.to(torch.bfloat16)) for x in (student, teacher)]
    value = loss(*half, GOLD)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(student, teacher, GOLD).item(), rel=0.03)


@pytest.mark.parametrize("name", INNER)
def test_a_teacher_that_says_nothing_is_refused(name: str) -> None:
    """Bug: a loss of 0 while nothing is trained, or an IndexError."""
    loss, student, _ = pair(name)
    with pytest.raises(KdcError, match=f"{name}: .*ask (it|the teacher) for"):
        loss(student, said(1, wants=frozenset()), GOLD)


@pytest.mark.parametrize("name", ["hidden_states", "attention", "relations", "patient"])
def test_a_loss_that_was_not_fitted_is_refused(name: str) -> None:
    """Bug: a mean over no layers at all."""
    with pytest.raises(KdcError, match="fit the loss"):
        LOSSES[name]()(said(0), said(1), GOLD)


class _NoWaiting(TorchDispatchMode):
    """Fails where a number is fetched from the device, or a shape depends on numbers there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        name = func.overloadpacket.__name__
        assert name not in _WAITING, name
        if name in ("index", "index_put"):
            kinds = [place.dtype for place in args[1] if place is not None]
            assert torch.bool not in kinds, "a shape that depends on a mask"
        return func(*args, **(kwargs or {}))


@TASKWISE
def test_a_step_never_waits_for_the_device(name: str) -> None:
    """Bug: an .item() or a boolean index in a loss stops a GPU in every step."""
    loss, student, teacher = pair(name)
    with _NoWaiting():
        loss(student, teacher, GOLD).backward()


def test_the_watch_for_waiting_sees_it() -> None:
    """Bug: the test above passes because nothing is watched."""
    with _NoWaiting(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        MASK.sum().item()
    with _NoWaiting(), pytest.raises(AssertionError):
        said(0).logits[GOLD > 0]


def test_every_kind_of_mean_is_one_that_the_loop_can_weight() -> None:
    """Bug: a new unit that data parallelism does not know."""
    units = {"rows", "tokens", "labelled", "masked", "batch"}
    assert {loss.unit for loss in LOSSES.values()} == units
