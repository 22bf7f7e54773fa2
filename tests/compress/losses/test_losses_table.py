from importlib import import_module

import pytest
import torch

from kdc.compress.losses import LOSSES, describe_losses
from kdc.compress.losses.objective import Widths
from kdc.compress.signals import HIDDEN, LOGITS, Signals
from kdc.compress.task import Kind
from tests.tiny import tiny_data

EVERY = pytest.mark.parametrize("name", LOSSES)


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


@EVERY
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_loss_trains_the_student_and_asks_for_no_more_than_it_says(
    name: str, kind: Kind
) -> None:
    """Bug: a loss that reads what was never computed, or gives the student no gradient."""
    task, dice = tiny_data(kind).task, torch.Generator().manual_seed(0)
    loss = LOSSES[name]()
    loss.fit(Widths(task, 2, 8, 3, 12))
    logits = torch.randn(5, task.outputs, generator=dice, requires_grad=True)
    states = [torch.randn(5, 7, 8, generator=dice, requires_grad=True) for _ in range(3)]
    mask = torch.ones(5, 7, dtype=torch.long)
    theirs = Signals(
        torch.randn(5, task.outputs, generator=dice) if LOGITS in loss.needs else torch.empty(0, 0),
        tuple(torch.randn(5, 7, 12, generator=dice) for _ in range(4 * (HIDDEN in loss.needs))),
        mask,
    )
    labels = torch.arange(5) % 4 if task.labels else torch.linspace(0, 3, 5)
    value = loss(Signals(logits, tuple(states), mask), theirs, labels)
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value > 0
    value.backward()
    moved = states[1] if HIDDEN in loss.needs else logits
    assert moved.grad is not None
    assert moved.grad.abs().sum() > 0
