from typing import Any

import numpy as np
import pytest
import torch

from kdc.compress.errors import KdcError
from kdc.compress.losses.hidden_states import HiddenStates
from kdc.compress.losses.objective import Widths
from kdc.compress.signals import Signals
from kdc.compress.task import Task

TASK = Task("t", "classification", ("a", "b"), False, "accuracy")
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])


def signals(layers: int, width: int, seed: int, **options: Any) -> Signals:  # noqa: ANN401
    rng = torch.Generator().manual_seed(seed)
    states = [torch.randn(3, 4, width, generator=rng) for _ in range(layers + 1)]
    return Signals(torch.zeros(3, 2), tuple(state.to(**options) for state in states), MASK)


def fitted(layers: Any, student: tuple[int, int], teacher: tuple[int, int]) -> HiddenStates:  # noqa: ANN401
    loss = HiddenStates(layers)
    torch.manual_seed(0)
    loss.fit(Widths(TASK, *student, *teacher))
    return loss


def by_hand(ours: Any, theirs: Any, pairs: list[tuple[int, int]], project: Any) -> float:  # noqa: ANN401
    total = 0.0
    for mine, yours in pairs:
        errors = [
            (ours[mine][row, place].numpy() @ project - theirs[yours][row, place].numpy()) ** 2
            for row in range(3)
            for place in range(4)
            if MASK[row, place]
        ]
        total += float(np.mean(errors))
    return total / len(pairs)


@pytest.mark.parametrize(
    ("layers", "pairs"),
    [
        ("every-other", [(1, 1), (2, 4)]),
        ("first", [(1, 1), (2, 2)]),
        ("last", [(1, 3), (2, 4)]),
        ((3, 0), [(1, 4), (2, 1)]),
    ],
    ids=str,
)
def test_the_value_is_the_mean_over_real_tokens_of_the_mapped_layers(
    layers: Any,  # noqa: ANN401
    pairs: list[tuple[int, int]],
) -> None:
    """Bug: layers are counted from the embeddings, or the mean is over padding too."""
    ours, theirs = signals(2, 6, 0), signals(4, 6, 1)
    value = fitted(layers, (2, 6), (4, 6))(ours, theirs, None)
    expected = by_hand(ours.hidden, theirs.hidden, pairs, np.eye(6))
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_widths_that_differ_are_bridged_by_one_projection_that_is_trained() -> None:
    """Bug: the projection is no parameter, so it stays random and its student learns noise."""
    loss = fitted("every-other", (2, 5), (4, 6))
    ours, theirs = signals(2, 5, 0), signals(4, 6, 1)
    weight = dict(loss.named_parameters())["projection.weight"]
    assert [parameter.shape for parameter in loss.parameters()] == [(6, 5)]
    value = loss(ours, theirs, None)
    project = weight.detach().numpy().T
    expected = by_hand(ours.hidden, theirs.hidden, [(1, 1), (2, 4)], project)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.5)
    value.backward()
    optimizer.step()
    assert loss(ours, theirs, None) < value


def test_equal_widths_need_no_projection() -> None:
    """Bug: parameters that are trained, saved and then thrown away."""
    assert list(fitted("first", (2, 6), (4, 6)).parameters()) == []


def test_padding_does_not_count() -> None:
    """Bug: a batch's loss and gradient depend on how long its longest text is."""
    loss, ours, theirs = fitted("first", (2, 6), (4, 6)), signals(2, 6, 0), signals(4, 6, 1)
    value = loss(ours, theirs, None)
    padding = MASK[..., None] == 0
    spoilt = tuple(torch.where(padding, 1e6, state) for state in ours.hidden)
    assert loss(Signals(ours.logits, spoilt, MASK), theirs, None).item() == value.item()


def test_states_in_bf16_meet_a_projection_in_fp32() -> None:
    """Bug: 'mat1 and mat2 must have the same dtype' for a narrower student under autocast."""
    loss = fitted("first", (2, 5), (4, 6))
    ours, theirs = signals(2, 5, 0), signals(4, 6, 1)
    half = {"dtype": torch.bfloat16}
    value = loss(signals(2, 5, 0, **half), signals(4, 6, 1, **half), None)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(ours, theirs, None).item(), rel=0.02)


def test_a_teacher_that_gave_no_states_is_refused() -> None:
    """Bug: a loss of 0 while nothing is trained."""
    silent = Signals(torch.zeros(3, 2), (), MASK)
    with pytest.raises(KdcError, match="the teacher gave no hidden states"):
        fitted("first", (2, 6), (4, 6))(signals(2, 6, 0), silent, None)
    with pytest.raises(KdcError, match="fit the loss to the two models first"):
        HiddenStates()(signals(2, 6, 0), signals(4, 6, 1), None)


def test_a_map_that_does_not_fit_is_refused_before_training() -> None:
    """Bug: an index out of range in the first step."""
    with pytest.raises(KdcError, match="layer 4: the teacher has 0 to 3"):
        fitted((0, 4), (2, 6), (4, 6))
