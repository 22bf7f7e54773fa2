"""Small parts that several objectives are put together from."""

import torch
from torch import Tensor, nn

from kdc.compress.errors import KdcError
from kdc.compress.losses.objective import Widths
from kdc.compress.task import Task

_COLDEST, _HOTTEST = 1e-3, 1000  # beyond, one class has all, or all have the same, to fp32
_LARGEST = 1e6  # of a weight inside an objective


def check_temperature(loss: str, temperature: float) -> float:
    """Return a temperature that divides logits, as it came.

    Raises:
        KdcError: not above 0, NaN, or so near 0 or so high that nothing is left of the logits.
    """
    if isinstance(temperature, bool) or not _COLDEST <= temperature <= _HOTTEST:
        raise KdcError(
            f"{loss}: temperature must be from {_COLDEST} to {_HOTTEST}, not {temperature}"
        )
    return temperature


def check_shares(loss: str, **shares: float) -> None:
    """Check the weights of an objective's own terms.

    Raises:
        KdcError: one is below 0, NaN or beyond reason, or all are 0: nothing would be trained.
    """
    for name, value in shares.items():
        if not 0 <= value <= _LARGEST:
            raise KdcError(f"{loss}: {name} must be from 0 to {_LARGEST:g}, not {value}")
    if not any(shares.values()):
        raise KdcError(f"{loss}: {' and '.join(shares)} are 0: nothing would be trained")


def refuse_one_class(loss: str, task: Task) -> None:
    """Raise KdcError for a single class, whose softmax is always 1: nothing would be trained."""
    if task.kind == "classification" and task.outputs < 2:
        raise KdcError(f"{loss}: a task with one class has nothing to learn")


def refuse_all_but_classes(loss: str, task: Task) -> None:
    """Raise KdcError for a task whose classes do not exclude each other, or that has none."""
    if task.kind == "regression":
        raise KdcError(f"{loss}: a task of scores has no classes to compare: use mse_logits")
    if task.kind == "multi-label":
        raise KdcError(
            f"{loss}: it compares classes of which a text has one, and here a text may have "
            "several: use soft_labels"
        )


def bridge(widths: Widths) -> nn.Module:
    """Return what takes student states (..., h) to the teacher's width H, trained along.

    A linear map without bias, or nothing at all where the widths agree.
    """
    if widths.student_hidden == widths.teacher_hidden:
        return nn.Identity()
    return nn.Linear(widths.student_hidden, widths.teacher_hidden, bias=False)


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of (B, T) values over the real tokens of a batch, a scalar."""
    return values.masked_fill(mask == 0, 0.0).sum() / mask.sum()


def text_means(values: Tensor, mask: Tensor) -> Tensor:
    """Return the (B, ...) means of (B, T, ...) values over each text's own real tokens."""
    real = mask.reshape(*mask.shape, *[1] * (values.dim() - 2))
    return values.masked_fill(real == 0, 0.0).sum(1) / real.sum(1)


def hidden_of(loss: str, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return a teacher's states, as they came.

    Raises:
        KdcError: there are none: the loss would stand still at 0, or fail without a word.
    """
    if not states:
        raise KdcError(f"{loss}: the teacher gave no hidden states; ask it for them")
    return states


def no_loss(like: Tensor) -> Tensor:
    """Return a 0 to add losses to, on the device of `like`."""
    return torch.zeros((), device=like.device)
