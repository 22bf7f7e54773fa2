import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.losses.hard_labels import HardLabels
from kdc.compress.losses.objective import Widths
from kdc.compress.signals import Signals
from kdc.compress.task import Task

CLASSES = Task("t", "classification", ("a", "b", "c"), False, "accuracy")
SCORES = Task("t", "regression", (), False, "pearson")
SEVERAL = Task("t", "multi-label", ("a", "b", "c"), False, "micro_f1")
NOTHING = Signals(torch.empty(0, 0), (), torch.ones(4, 1))


def measure(task: Task, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    loss = HardLabels()
    loss.fit(Widths(task, 1, 1, 1, 1))
    value: torch.Tensor = loss(Signals(logits, (), torch.ones(4, 1)), NOTHING, labels)
    return value


def test_classes_are_scored_by_cross_entropy() -> None:
    """Bug: the sum in place of the mean, so that the rate depends on the batch."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gold = np.array([2, 0, 1, 1])
    z = logits.numpy()
    expected = (np.log(np.exp(z).sum(axis=1)) - z[np.arange(4), gold]).mean()
    assert measure(CLASSES, logits, torch.from_numpy(gold)).item() == pytest.approx(expected)


def test_scores_are_scored_by_squared_error_row_by_row() -> None:
    """Bug: (B, 1) against (B,) spreads to (B, B): every row is drawn to the mean of all."""
    logits = torch.tensor([[1.0], [2.0], [3.0], [4.0]], requires_grad=True)
    labels = torch.tensor([1.0, 2.0, 3.0, 6.0])
    value = measure(SCORES, logits, labels)
    assert value.item() == 1.0
    value.backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [0.0, 0.0, 0.0, -1.0]


def test_a_single_class_is_refused() -> None:
    """Bug: a perfect loss of 0 while nothing is trained."""
    with pytest.raises(KdcError, match="one class has nothing to learn"):
        one = Task("t", "classification", ("a",), False, "accuracy")
        measure(one, torch.ones(4, 1), torch.zeros(4).long())


def test_rows_without_a_class_do_not_count() -> None:
    """Bug: the mean is over all rows, so that unlabelled text weakens the labels beside it."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([2, -100, 1, -100])
    value = measure(CLASSES, logits, labels)
    labelled = measure(CLASSES, logits[[0, 2]], labels[[0, 2]])
    assert value.item() == pytest.approx(labelled.item())
    value.backward()
    assert logits.grad is not None
    assert logits.grad[[1, 3]].abs().sum() == 0


def test_rows_without_a_score_do_not_count() -> None:
    """Bug: one NaN in the labels is NaN in every weight of the student."""
    logits = torch.tensor([[1.0], [2.0], [3.0], [4.0]], requires_grad=True)
    labels = torch.tensor([3.0, float("nan"), 3.0, float("nan")])
    value = measure(SCORES, logits, labels)
    assert value.item() == 2.0
    value.backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [-2.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        (CLASSES, torch.full((4,), -100)),
        (SCORES, torch.full((4,), float("nan"))),
        (SEVERAL, torch.full((4, 3), float("nan"))),
    ],
    ids=["classes", "scores", "several"],
)
def test_a_batch_without_any_label_teaches_nothing(task: Task, labels: torch.Tensor) -> None:
    """Bug: 0 / 0 where a whole batch is augmented text."""
    columns = task.outputs
    logits = torch.ones(4, columns, requires_grad=True)
    value = measure(task, logits, labels)
    assert value.item() == 0.0
    value.backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_several_labels_are_scored_one_by_one() -> None:
    """Bug: the mean over labels, so that a task of many weighs less beside other losses."""
    logits = 3 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gold = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=np.float64)
    chances = 1 / (1 + np.exp(-logits.numpy()))
    total = 0.0
    for row, holds in zip(chances, gold, strict=True):
        for chance, one in zip(row, holds, strict=True):
            total -= np.log(chance if one else 1 - chance)
    found = measure(SEVERAL, logits, torch.from_numpy(gold)).item()
    assert found == pytest.approx(total / 4)
    theirs = torch.nn.BCEWithLogitsLoss()(logits, torch.from_numpy(gold)).item()
    assert found == pytest.approx(3 * theirs)


def test_rows_without_sets_do_not_count_and_rows_without_labels_do() -> None:
    """Bug: NaN reaches the weights; or a text to which nothing applies teaches nothing."""
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    nothing, unknown = [0.0] * 3, [float("nan")] * 3
    labels = torch.tensor([[1.0, 0.0, 1.0], unknown, nothing, unknown])
    value = measure(SEVERAL, logits, labels)
    assert value.item() == pytest.approx(measure(SEVERAL, logits[[0, 2]], labels[[0, 2]]).item())
    value.backward()
    assert logits.grad is not None
    assert logits.grad[[1, 3]].abs().sum() == 0
    np.testing.assert_allclose(logits.grad[2], torch.sigmoid(logits[2]).detach() / 2, rtol=1e-5)
